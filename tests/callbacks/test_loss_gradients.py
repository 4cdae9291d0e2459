"""Gradients of a training loss outside of a training, against torch.autograd.grad; the module is left as it was."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.language import TinyText, language_model
from helpers.tiny import FEATURES, Probe, TinyData, TinyModule, TinyNet, same, tiny_trainer, weights
from helpers.tiny_lottery import lottery
from torch import Tensor, nn

from app.common.errors import UserError
from app.modules import Classifier
from app.pruning import Score
from app.runs.layout import NetworkKey, RunLayout
from app.runs.tensors import load_tensors
from callbacks import IterativePruningCallback
from callbacks.loss_gradients import LossGradients
from datamodules import TensorLoader

BATCH = (torch.randn(5, FEATURES, generator=torch.Generator().manual_seed(3)), torch.tensor([0, 1, 2, 0, 1]))


def by_hand(net: TinyNet, batch: tuple[Tensor, Tensor], *, seed: int | None = None) -> dict[str, Tensor]:
    """Of the parameters themselves, by torch.autograd.grad."""
    parameters = dict(net.named_parameters())
    with torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        loss = F.cross_entropy(net(batch[0]), batch[1])
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


def close(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.allclose(found[name], wanted[name], atol=1e-7) for name in found)


def prefixed(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"net.{name}": value for name, value in values.items()}


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_they_are_the_gradients_of_the_loss(dropout: float) -> None:
    torch.manual_seed(0)
    module = TinyModule(TinyNet(dropout=dropout))
    wanted = by_hand(module.net, BATCH, seed=0)
    assert close(LossGradients(module, lambda: BATCH)(), prefixed(wanted))


def test_the_module_trains_meanwhile_and_is_left_in_the_mode_that_it_was_in() -> None:
    module = TinyModule(TinyNet(norm=True))
    module.eval()
    found = LossGradients(module, lambda: BATCH)()
    assert not any(each.training for each in module.modules())
    assert not close(found, prefixed(by_hand(module.net, BATCH))), "evaluation has other statistics"
    assert close(found, prefixed(by_hand(module.net.train(), BATCH)))


@pytest.mark.parametrize("grad_mode", [torch.no_grad, torch.enable_grad])
def test_the_module_and_the_random_numbers_stay_as_they_were(grad_mode: Any) -> None:
    torch.manual_seed(0)
    module = Classifier(TinyNet(dropout=0.5, norm=True), num_classes=3)
    tiny_trainer(max_steps=3).fit(module, TinyData())  # leaves gradients, sums and running statistics
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    state, rng = weights(module), torch.get_rng_state()
    sums = repr(vars(module._train_means))
    with grad_mode():
        first = LossGradients(module, lambda: BATCH)()
        second = LossGradients(module, lambda: BATCH)()
    assert same(first, second)
    assert close(first, prefixed(by_hand(module.net, BATCH, seed=0)))
    module.net.load_state_dict({name.removeprefix("net."): value for name, value in state.items() if "net" in name})
    assert same(weights(module), state)
    assert torch.get_rng_state().equal(rng)
    assert repr(vars(module._train_means)) == sums
    assert all((parameter.grad == 3).all() for parameter in module.parameters())


def test_nothing_at_all_of_the_module_changes() -> None:
    torch.manual_seed(0)
    module = Classifier(TinyNet(dropout=0.5, norm=True), num_classes=3)
    state, rng = weights(module), torch.get_rng_state()
    LossGradients(module, lambda: BATCH)()
    assert same(weights(module), state), "running statistics, too"
    assert torch.get_rng_state().equal(rng)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_language_model_keeps_the_state_of_its_text() -> None:
    model, data = language_model(), TinyText()
    data.prepare()
    tiny_trainer(max_steps=2).fit(model, data)
    before = [part.clone() for layer in model._state for part in layer]
    found = LossGradients(model, lambda: next(iter(data.train_dataloader())))()
    assert {name for name, value in found.items() if value.abs().max() > 0} >= {"embedding.weight", "decoder.bias"}
    after = [part for layer in model._state for part in layer]
    assert all(one.equal(other) for one, other in zip(before, after, strict=True))


def test_frozen_and_idle_parameters_are_left_out_and_compiled_ones_have_plain_names() -> None:
    module = TinyModule()
    module.net.fc.bias.requires_grad_(False)
    module.idle = nn.Linear(2, 2)
    module.net.fc = torch.compile(module.net.fc, backend="eager")
    assert set(LossGradients(module, lambda: BATCH)()) == {"net.fc.weight", "net.output.weight", "net.output.bias"}


class Loud(TinyModule):
    """Returns its loss in a dictionary and logs it, as many modules do."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.log("train_loss", loss)
        return {"loss": loss, "more": 3}


def test_a_module_that_logs_and_returns_a_dictionary() -> None:
    torch.manual_seed(0)
    module = Loud()
    assert close(LossGradients(module, lambda: BATCH)(), prefixed(by_hand(module.net, BATCH)))


def test_without_a_batch_or_a_loss() -> None:
    class Lossless(TinyModule):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return None

    with pytest.raises(UserError, match=r"Lossless\.training_step returns no loss"):
        LossGradients(Lossless(), lambda: BATCH)()
    with pytest.raises(UserError, match=r"needs gradients,.* a batch; call next_round\(module, make_batch="):
        LossGradients(TinyModule(), lambda: None)()


# Scores that use them


class Taylor(Score):
    """|w g| (Molchanov et al., 2017); it notes what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]] = []

    def __call__(self, weights: Any, starting_weights: Any, masks: Any, gradients: Any) -> dict[str, Tensor]:
        found = dict(gradients())
        self.given.append(
            (
                {name: weights[name].clone() for name in masks},
                {name: mask.clone() for name, mask in masks.items()},
                {name: found[name].clone() for name in masks},
            )
        )
        return {name: (weights[name] * found[name]).abs() for name in masks}


def largest(scores: Tensor, among: Tensor, count: int) -> Tensor:
    left = torch.zeros_like(among)
    order = sorted((-float(scores[tuple(place)]), *place.tolist()) for place in among.nonzero())
    for _, row, column in order[:count]:
        left[row, column] = True
    return left


@pytest.mark.filterwarnings("ignore:this round sees other batches:UserWarning")  # which is what it is about
def test_a_script_of_three_fits_prunes_by_the_first_batch_of_each() -> None:
    torch.manual_seed(0)
    score = Taylor()
    pruning, module = IterativePruningCallback({"fc": 0.3, "output": 0.2}, score=score), TinyModule()
    firsts: list[Any] = []
    ends: list[TinyModule] = []

    def note(trainer: Any, module: Any) -> None:
        net = TinyNet()
        net.load_state_dict({name: value for name, value in module.net.state_dict().items() if "mask" not in name})
        ends.append(net)  # type: ignore[arg-type]

    class First(Probe):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if trainer.global_step == 0:
                firsts.append([part.clone() for part in batch])

    masks = []
    for fit in range(3):
        data = TinyData()
        data.train_dataloader = partial(TensorLoader, data.sets["train"], 4, shuffle_seed=fit)  # type: ignore[method-assign]
        tiny_trainer([pruning, First(), Probe(on_train_end=note)], max_steps=9).fit(module, data)
        masks.append({name: mask.clone() for name, mask in pruning.masks.items()})
    assert len(score.given) == 2
    assert not firsts[0][0].equal(firsts[1][0]), "every fit begins with another batch"
    counts = [(48, 24), (34, 19), (24, 15)]
    assert [tuple(int(mask.sum()) for mask in each.values()) for each in masks] == counts
    for round, (trained, before, gradients) in enumerate(score.given):
        net, batch = ends[round], firsts[round]
        wanted = prefixed(by_hand(net, tuple(batch)))  # type: ignore[arg-type]
        for number, name in enumerate(("net.fc.weight", "net.output.weight")):
            assert trained[name].equal(dict(net.named_parameters())[name.removeprefix("net.")])
            assert torch.allclose(gradients[name], wanted[name], atol=1e-6)
            scores = trained[name] * gradients[name]
            assert masks[round + 1][name].equal(largest(scores.abs(), before[name], counts[round + 1][number]))


def test_a_score_may_be_told_which_batch() -> None:
    torch.manual_seed(0)
    score = Taylor()
    pruning, module = IterativePruningCallback(score=score), TinyModule()
    tiny_trainer([pruning], max_steps=2).fit(module, TinyData())
    wanted = by_hand(module.net, BATCH)
    pruning.next_round(module, make_batch=lambda: BATCH)
    assert torch.allclose(score.given[0][2]["net.fc.weight"], wanted["fc.weight"], atol=1e-6)


def test_a_lottery_with_a_score_of_ones_own(tmp_path: Any) -> None:
    score = Taylor()
    drawn = lottery(tmp_path, rounds=1, score=score)
    drawn.run()
    ticket = load_tensors(RunLayout(tmp_path).network(NetworkKey(0, "iterative", 1)).mask)
    ((trained, before, gradients),) = score.given
    for name, count in {"net.fc.weight": 36, "net.output.weight": 32}.items():
        assert ticket[name].equal(largest((trained[name] * gradients[name]).abs(), before[name], count))


# Beyond the loss's gradients


def test_masked_weights_count_as_0() -> None:
    torch.manual_seed(0)
    module = TinyModule()
    masks = {"net.fc.weight": torch.rand(8, FEATURES) < 0.5}
    before = weights(module)
    found = LossGradients(module, lambda: BATCH, masks)()
    assert same(weights(module), before)
    module.net.fc.weight.data[~masks["net.fc.weight"]] = 0
    assert close(found, prefixed(by_hand(module.net, BATCH)))


def test_the_hessian_is_of_the_masked_weights_alone_and_the_module_stays_as_it_was() -> None:
    torch.manual_seed(0)
    module = TinyModule(TinyNet(norm=True))
    before, rng = weights(module), torch.get_rng_state()
    weight = module.net.output.weight.detach().clone()

    def loss(output: Tensor) -> Tensor:
        return F.cross_entropy(torch.func.functional_call(module.net, {"output.weight": output}, BATCH[0]), BATCH[1])

    hessian = torch.autograd.functional.hessian(loss, weight).view(24, 24)
    gradient = torch.autograd.functional.jacobian(loss, weight).flatten()
    module.net.norm.load_state_dict({name[9:]: value for name, value in before.items() if ".norm." in name})
    found = LossGradients(module, lambda: BATCH, {"net.output.weight": torch.ones(3, 8).bool()}).hessian_gradient()
    assert list(found) == ["net.output.weight"]
    assert torch.allclose(found["net.output.weight"].flatten(), hessian @ gradient, atol=1e-6)
    assert same(weights(module), before)
    assert torch.get_rng_state().equal(rng)


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value * 1

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: Once.apply(rows), r"the loss of Changed cannot be differentiated twice \(RuntimeError"),
        (lambda rows: (rows, 1), r"Changed\.forward returns a tuple; this score needs outputs to sum"),
        (lambda rows: rows.detach(), r"Changed\.forward returns a tensor without gradients"),
        (
            lambda rows: rows.view(7, -1),
            r"Changed\.forward does not take an input of shape \[1, 6\] in float64 \(Ru",
        ),
    ],
)
def test_networks_that_lack_what_a_score_needs_are_refused_in_one_line(change: Any, says: str) -> None:
    class Changed(TinyModule):
        def forward(self, rows: Tensor) -> Any:
            return change(self.net(rows))

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return F.cross_entropy(self(batch[0]), batch[1])

    gradients = LossGradients(Changed(), lambda: BATCH)
    with pytest.raises(UserError, match=says) as raised:
        gradients.hessian_gradient() if "twice" in says else gradients.synaptic_flow()
    assert "\n" not in str(raised.value)
