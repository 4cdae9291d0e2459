"""Layers that are made in `setup` or `configure_model`, and buffers and attributes of a user's own."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.pruning import STEPS, SURVIVORS, StoppedError, counts, draw, masked
from helpers.tiny import RATES, Probe, TinyData, TinyModule, TinyNet, same, tiny_trainer, weights, with_validation
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn

from app.common.errors import UserError
from callbacks import IterativePruningCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Bare(TinyModule):
    """Has no layers before a fit."""

    def __init__(self) -> None:
        super().__init__()
        del self.net

    def make(self) -> None:
        self.net = TinyNet(norm=True)


class InSetup(Bare):
    """Makes its layers in the first fit."""

    def setup(self, stage: str) -> None:
        if not hasattr(self, "net"):
            self.make()


class InEverySetup(Bare):
    """Makes its layers anew in every fit, test and validation."""

    def setup(self, stage: str) -> None:
        self.make()


class InConfigureModel(Bare):
    """As Lightning asks for it."""

    def configure_model(self) -> None:
        if not hasattr(self, "net"):
            self.make()


class InEveryConfigureModel(Bare):
    """Makes them anew."""

    def configure_model(self) -> None:
        self.make()


class Early(TinyModule):
    """Has the same layers from the start."""

    def __init__(self) -> None:
        super().__init__(TinyNet(norm=True))


class HeadInSetup(TinyModule):
    """Has one of its layers before the fit."""

    def __init__(self) -> None:
        super().__init__(TinyNet(norm=True))
        self.hidden = self.net.output
        del self.net.output

    def setup(self, stage: str) -> None:
        self.net.output = self.hidden


def lottery(make: Callable[[], LightningModule], rewind_to: str = "0it", **arguments: Any) -> Any:
    """Starts, rounds and end of three rounds, with a test after each."""
    torch.manual_seed(0)
    module, pruning, starts = make(), IterativePruningCallback(RATES, rewind_to=rewind_to), []
    for _ in range(3):
        look = Probe(on_train_start=lambda _, module: starts.append(weights(module)))
        trainer = tiny_trainer([look, pruning], max_steps=STEPS, **with_validation(5) | arguments)
        torch.manual_seed(3)  # for the layers of the first fit
        trainer.fit(module, TinyData())
        trainer.test(module, TinyData(), verbose=False)
    return starts, pruning, weights(module)


@pytest.mark.parametrize("rewind_to", ["0it", "5it"])
@pytest.mark.parametrize("make", [InSetup, InEverySetup, InConfigureModel, InEveryConfigureModel])
def test_layers_made_in_a_fit_are_pruned_and_rewound(make: type[Bare], rewind_to: str) -> None:
    starts, pruning, _ = lottery(make, rewind_to)
    assert (pruning.round, counts(pruning.masks)) == (2, SURVIVORS[2])
    assert same(starts[2], masked(pruning.rewind_point, pruning.masks))
    if rewind_to == "0it":
        assert same(pruning.rewind_point, starts[0])

    # The same numbers as with layers from the start.
    expected_starts, expected_masks = with_early_layers(rewind_to)
    assert same(starts[0], expected_starts[0])
    assert same(pruning.masks, expected_masks)
    assert same(starts[2], expected_starts[2])


@functools.cache
def with_early_layers(rewind_to: str) -> tuple[list[Any], dict[str, Tensor]]:
    def make() -> LightningModule:
        torch.manual_seed(3)
        return Early()

    starts, pruning, _ = lottery(make, rewind_to)
    return starts, pruning.masks


def test_a_layer_made_in_setup_beside_others_is_pruned() -> None:
    _, pruning, _ = lottery(HeadInSetup)
    assert counts(pruning.masks) == SURVIVORS[2]


@pytest.mark.filterwarnings("ignore:You're using the WeightAveraging callback with a model that overrides")
def test_layers_made_in_a_fit_are_averaged() -> None:
    torch.manual_seed(0)
    module, pruning = InConfigureModel(), IterativePruningCallback(RATES)
    for round in range(3):
        tiny_trainer([WeightAveraging(), pruning], max_steps=STEPS).fit(module, TinyData())
        assert {name: int((module.get_parameter(name) != 0).sum()) for name in pruning.masks} == SURVIVORS[round]


def test_a_failure_after_layers_were_made_anew_loses_no_ticket() -> None:
    results = []
    for fails in (False, True):
        torch.manual_seed(0)
        module, pruning, starts, failed = InEverySetup(), IterativePruningCallback(RATES), [], []

        def fail(*_: Any, failed: list[int] = failed) -> None:
            failed.append(1)
            raise StoppedError

        look = Probe(on_train_start=lambda _, module, starts=starts: starts.append(weights(module)))
        draw(pruning, module, 2, look)
        if fails:
            with pytest.raises(StoppedError):
                draw(pruning, module, 1, Probe(on_train_batch_end=fail))
        draw(pruning, module, 1, look)
        results.append((starts[-1], pruning.masks))
    assert same(results[0][0], results[1][0])
    assert same(results[0][1], results[1][1])


def test_layers_of_another_shape_are_refused_in_one_line() -> None:
    class Growing(Bare):
        width = 8

        def setup(self, stage: str) -> None:
            self.make()
            self.net.fc, self.net.output = nn.Linear(6, self.width), nn.Linear(self.width, 3)
            self.net.norm = nn.BatchNorm1d(self.width)
            self.width += 1

    module, pruning = Growing(), IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    with pytest.raises(UserError, match=r"Growing has made net\.fc\.weight anew with shape \(9, 6\)") as raised:
        draw(pruning, module, 1)
    assert "\n" not in str(raised.value)


def test_weights_that_setup_loads_do_not_replace_the_ticket_s() -> None:
    class Pretrained(TinyModule):
        def setup(self, stage: str) -> None:
            if stage == "fit":
                with torch.no_grad():
                    self.net.fc.weight.fill_(0.25)

    torch.manual_seed(0)
    module, pruning, starts = Pretrained(), IterativePruningCallback(RATES, rewind_to="5it"), []
    look = Probe(on_train_start=lambda _, module: starts.append(weights(module)))
    draw(pruning, module, 1, look)
    with pytest.warns(UserWarning, match=r"Pretrained has changed net\.fc\.weight; the trained or rewound weights"):
        draw(pruning, module, 1, look)
    assert (starts[0]["net.fc.weight"] == 0.25).all()
    assert same(starts[1], masked(pruning.rewind_point, pruning.masks))


def test_buffers_that_setup_computes_keep_their_values() -> None:
    class Normalised(TinyModule):
        def setup(self, stage: str) -> None:
            self.register_buffer("mean", torch.full((6,), 2.0))

    module, pruning = Normalised(), IterativePruningCallback(RATES)
    draw(pruning, module, 2)
    assert module.mean.tolist() == [2.0] * 6


def test_buffers_of_a_users_own_stay_what_they_are(module: TinyModule) -> None:
    own = torch.full((8, 6), 0.5)
    module.net.fc.register_buffer("weight_mask", own)
    before = {name: value.clone() for name, value in module.named_buffers()}
    draw(IterativePruningCallback(RATES), module, 3)
    assert module.net.fc.weight_mask is own
    assert same(dict(module.named_buffers()), before)


def test_a_module_has_the_same_buffers_as_without_the_callback(module: TinyModule) -> None:
    names, seen = [name for name, _ in module.named_buffers()], []
    look = Probe(on_train_batch_end=lambda _, module: seen.append([name for name, _ in module.named_buffers()]))
    draw(IterativePruningCallback(RATES), module, 2, look)
    assert seen == [names] * 2 * STEPS


def test_a_module_may_load_less_than_its_state(tmp_path: Any, module: TinyModule) -> None:
    """`strict_loading` false is Lightning's way to leave out what is loaded elsewhere."""

    class Partial(TinyModule):
        strict_loading = False

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["state_dict"] = {name: value for name, value in checkpoint["state_dict"].items()
                                        if "bias" not in name}  # fmt: skip

    pruning = IterativePruningCallback(RATES)
    trainer = tiny_trainer([pruning], max_steps=4)
    trainer.fit(Partial(), TinyData())
    trainer.save_checkpoint(tmp_path / "4.ckpt")
    tiny_trainer([pruning], max_steps=STEPS).fit(Partial(), TinyData(), ckpt_path=tmp_path / "4.ckpt")
    assert pruning.trained
