"""A ticket survives the process that drew it."""

import functools
from pathlib import Path

import pytest
import torch
from helpers.pruning import STEPS, StoppedError, draw
from helpers.tiny import (
    RATES,
    Probe,
    TinyData,
    TinyModule,
    TinyNet,
    same,
    tiny_trainer,
    weights,
)
from lightning.pytorch import Trainer
from torch import Tensor, nn

from app.common.errors import UserError
from callbacks import IterativePruningCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def save_at(step: int, path: Path) -> Probe:
    def save(trainer: Trainer, module: TinyModule) -> None:
        if trainer.global_step == step:
            trainer.save_checkpoint(path)
            raise StoppedError

    return Probe(on_train_batch_end=save)


@functools.cache
def uninterrupted(rounds: int, rewind_to: str, dropout: float = 0.0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    torch.manual_seed(0)
    module, pruning = TinyModule(TinyNet(dropout=dropout)), IterativePruningCallback(RATES, rewind_to=rewind_to)
    draw(pruning, module, rounds)
    return weights(module), pruning.masks


@pytest.mark.parametrize("rewind_to", ["0it", "5it"])
@pytest.mark.parametrize(("round", "step"), [(0, 3), (0, 5), (2, 1), (2, 7)])
def test_a_new_process_goes_on_from_a_checkpoint(tmp_path: Path, rewind_to: str, round: int, step: int) -> None:
    path = tmp_path / "mid.ckpt"
    torch.manual_seed(0)
    module, pruning = TinyModule(), IterativePruningCallback(RATES, rewind_to=rewind_to)
    draw(pruning, module, round)
    with pytest.raises(StoppedError):
        draw(pruning, module, 1, save_at(step, path))

    torch.manual_seed(99)
    module, pruning = TinyModule(), IterativePruningCallback(RATES, rewind_to=rewind_to)
    tiny_trainer([pruning], max_steps=STEPS).fit(module, TinyData(), ckpt_path=path)
    assert pruning.round == round
    expected, masks = uninterrupted(round + 1, rewind_to)
    assert same(weights(module), expected)
    assert same(pruning.masks, masks)

    draw(pruning, module, 1)
    expected, masks = uninterrupted(round + 2, rewind_to)
    assert same(weights(module), expected)
    assert same(pruning.masks, masks)


@pytest.mark.parametrize("dropout", [0.0, 0.3])  # whose random numbers a new process must find again
def test_a_new_process_goes_on_from_the_end_of_a_round(tmp_path: Path, dropout: float) -> None:
    torch.manual_seed(0)
    module, pruning = TinyModule(TinyNet(dropout=dropout)), IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    trainer = tiny_trainer([pruning], max_steps=STEPS)
    trainer.fit(module, TinyData())
    trainer.save_checkpoint(tmp_path / "end.ckpt")

    torch.manual_seed(99)
    module, pruning = TinyModule(TinyNet(dropout=dropout)), IterativePruningCallback(RATES)
    tiny_trainer([pruning], max_steps=STEPS).fit(module, TinyData(), ckpt_path=tmp_path / "end.ckpt")
    draw(pruning, module, 1)
    expected, masks = uninterrupted(3, "0it", dropout)
    assert pruning.round == 2
    assert same(weights(module), expected)
    assert same(pruning.masks, masks)


def test_a_checkpoint_holds_tensors_and_plain_values_only(tmp_path: Path, module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    with pytest.raises(StoppedError):
        draw(pruning, module, 1, save_at(3, tmp_path / "3.ckpt"))
    checkpoint = torch.load(tmp_path / "3.ckpt", weights_only=True)
    state = checkpoint["callbacks"][pruning.state_key]
    assert state["round"] == 0
    assert all(mask.dtype == torch.bool for mask in state["masks"].values())
    assert not any("mask" in name for name in checkpoint["state_dict"])


@pytest.mark.parametrize("change", ["renamed", "another shape", "another prunable one", "one more layer"])
def test_a_checkpoint_of_another_network_is_refused_in_one_line(
    tmp_path: Path, module: TinyModule, change: str
) -> None:
    class Renamed(TinyNet):
        def __init__(self) -> None:
            super().__init__()
            self.out = self.output
            del self.output

        def prunable_parameters(self) -> dict[str, str]:
            return {"fc.weight": "fc", "out.weight": "output"}

        def forward(self, rows: Tensor) -> Tensor:
            return self.out(torch.relu(self.fc(rows)))

    with pytest.raises(StoppedError):
        draw(IterativePruningCallback(RATES), module, 1, save_at(3, tmp_path / "3.ckpt"))
    other = TinyModule(Renamed() if change == "renamed" else TinyNet())
    if change == "another shape":
        other.net.fc = nn.Linear(6, 9)
        other.net.output = nn.Linear(9, 3)
    if change == "one more layer":
        other.net.scale = nn.Linear(3, 3)
    if change == "another prunable one":
        other.prunable_parameters = lambda: {"net.fc.weight": "fc", "net.output.bias": "output"}
    trainer = tiny_trainer([IterativePruningCallback(RATES)], max_steps=STEPS)
    with pytest.raises(UserError, match=r"net\.") as raised:
        trainer.fit(other, TinyData(), ckpt_path=tmp_path / "3.ckpt")
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`:UserWarning")  # Lightning's: not enough
def test_a_ticket_drawn_with_other_options_is_not_dropped_in_silence(tmp_path: Path, module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 2)
    with pytest.raises(StoppedError):
        draw(pruning, module, 1, save_at(3, tmp_path / "3.ckpt"))
    # Its weights would go on without their masks, as a dense network.
    trainer = tiny_trainer([IterativePruningCallback(RATES | {"fc": 0.4})], max_steps=STEPS)
    with pytest.raises(UserError, match=r"0\.3") as raised:
        trainer.fit(TinyModule(), TinyData(), ckpt_path=tmp_path / "3.ckpt")
    assert "\n" not in str(raised.value)


def test_another_version_of_the_state_is_refused(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    with pytest.raises(UserError, match=r"version 7.*reads 1"):
        pruning.load_state_dict(pruning.state_dict() | {"version": 7})


def test_callbacks_of_different_options_have_different_states() -> None:
    keys = {
        IterativePruningCallback(*arguments).state_key
        for arguments in (
            ({"fc": 0.2},),
            ({"fc": 0.3},),
            ({"fc": 0.2, "output": 0.1},),
            ({"fc": 0.2}, "global"),
            ({"fc": 0.2}, "layerwise", "1it"),
            ({"fc": 0.2}, "layerwise", "1ep"),
        )
    }
    assert len(keys) == 6
    assert IterativePruningCallback({"fc": 0.2}, rewind_to="0it").state_key in keys


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`:UserWarning")
def test_a_checkpoint_of_scope_kind_is_the_one_that_was_called_global(tmp_path: Path) -> None:
    """State keys keep the word, so that a training that was interrupted before goes on."""
    rates = {"fc": 0.2, "output": 0.2}
    pruning = IterativePruningCallback(rates, "kind")
    assert pruning.state_key == (
        "IterativePruningCallback{'rates': {'fc': 0.2, 'output': 0.2}, 'scope': 'global', 'rewind_to': '0it'}"
    )
    module, path = TinyModule(), tmp_path / "mid.ckpt"
    with pytest.raises(StoppedError):
        draw(pruning, module, 1, save_at(2, path))
    with pytest.raises(UserError, match="has scope kind, which was called global before; use scope kind"):
        tiny_trainer([IterativePruningCallback(rates, "global")], max_steps=STEPS).fit(
            module, TinyData(), ckpt_path=path
        )
    assert len({IterativePruningCallback(rates, scope).state_key for scope in ("layerwise", "kind", "global")}) == 3
    assert IterativePruningCallback(rates, least_per_layer=3).state_key != IterativePruningCallback(rates).state_key
