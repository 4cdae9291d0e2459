"""What any module is asked for, and what is done where it does not answer."""

import math
from typing import Any

import pytest
import torch
from helpers.tiny import TinyData, TinyModule, same, weights
from helpers.tiny import TinyNet as Declaring
from torch import Tensor, nn

from app.common import protocols
from app.common.errors import UserError
from app.common.metrics import loss
from app.common.prunable import declares_prunable, default_prunable, prunable_parameters
from app.modules import Classifier


class Everything(nn.Module):
    """One layer of every kind, and a raw parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.conv = nn.Conv2d(1, 2, 3)
        self.up = nn.ConvTranspose1d(2, 2, 3)
        self.norms = nn.ModuleList([nn.BatchNorm2d(2), nn.LayerNorm((3, 4)), nn.GroupNorm(1, 2)])
        self.lstm = nn.LSTM(4, 5, num_layers=2, bidirectional=True)
        self.bilinear = nn.Bilinear(2, 3, 4)
        self.hidden = nn.Linear(5, 4)
        self.decoder = nn.Linear(4, 7)
        self.table = nn.Parameter(torch.zeros(2, 3))


def test_weights_by_the_kinds_of_their_layers() -> None:
    recurrent = {
        f"lstm.weight_{kind}_l{layer}{way}": kind
        for layer in (0, 1)
        for way in ("", "_reverse")
        for kind in ("ih", "hh")
    }
    assert default_prunable(Everything()) == {
        "table": "weight",
        "conv.weight": "conv",
        "up.weight": "conv",
        **recurrent,
        "bilinear.weight": "fc",
        "hidden.weight": "fc",
        "decoder.weight": "output",
    }


@pytest.mark.parametrize(
    "make", [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
)
def test_every_convolution(make: Any) -> None:
    assert default_prunable(make(1, 2, 3)) == {"weight": "conv"}


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_cells(cell: Any) -> None:
    assert default_prunable(cell(3, 4)) == {"weight_ih": "ih", "weight_hh": "hh"}


def tied(*pair: str) -> nn.Module:
    net = nn.ModuleDict(
        {"embedding": nn.Embedding(4, 4), "first": nn.Linear(4, 4), "second": nn.Linear(4, 4), "last": nn.Linear(4, 4)}
    )
    net[pair[1]].weight = net[pair[0]].weight
    return net


def test_a_weight_tied_to_an_embedding_is_spared() -> None:
    # The last linear layer is then no output layer of its own.
    assert default_prunable(tied("embedding", "last")) == {"first.weight": "fc", "second.weight": "output"}


def test_an_embedding_that_comes_second_spares_it_too() -> None:
    net = nn.ModuleDict({"decoder": nn.Linear(4, 7), "other": nn.Linear(4, 4), "embedding": nn.Embedding(7, 4)})
    net["embedding"].weight = net["decoder"].weight
    assert default_prunable(net) == {"other.weight": "output"}


def test_tied_linear_layers_are_one_tensor() -> None:
    assert default_prunable(tied("first", "second")) == {"first.weight": "fc", "last.weight": "output"}


def test_a_layer_that_is_used_twice_is_one_tensor() -> None:
    layer = nn.Linear(3, 3)
    assert default_prunable(nn.Sequential(layer, nn.ReLU(), layer)) == {"0.weight": "output"}


def test_frozen_weights_are_spared() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    net[0].requires_grad_(False)
    net[2].requires_grad_(False)
    assert default_prunable(net) == {"1.weight": "output"}


def test_a_compiled_net_inside_has_plain_names() -> None:
    plain, compiled = TinyModule(Undeclared()), TinyModule(Undeclared())
    compiled.net = torch.compile(compiled.net, backend="eager")
    assert any("_orig_mod" in name for name, _ in compiled.named_parameters())
    assert (
        default_prunable(compiled)
        == default_prunable(plain)
        == {
            "net.fc.weight": "fc",
            "net.output.weight": "output",
        }
    )


def test_what_a_compiled_module_declares_has_plain_names() -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.compile(nn.Linear(3, 3), backend="eager")

        def prunable_parameters(self) -> dict[str, str]:
            return {name: "fc" for name, value in self.named_parameters() if value.ndim > 1}

    assert prunable_parameters(Wrapper()) == {"net.weight": "fc"}


class Undeclared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm, self.output = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)

    def prunable_parameters(self) -> dict[str, str]:
        return {}


def test_what_is_declared_comes_before_the_default() -> None:
    assert prunable_parameters(Declaring()) == {"fc.weight": "fc", "output.weight": "output"}
    assert declares_prunable(Declaring())
    assert not declares_prunable(nn.Linear(2, 2))
    assert not declares_prunable(Undeclared())
    assert prunable_parameters(Undeclared()) == {"fc.weight": "fc", "output.weight": "output"}


def refusal(module: nn.Module) -> str:
    with pytest.raises(UserError) as raised:
        prunable_parameters(module)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_mistakes_in_what_is_declared() -> None:
    class Wrong(nn.Linear):
        declared: Any = None

        def prunable_parameters(self) -> Any:
            return self.declared

    module = Wrong(2, 2)
    module.declared = ["weight"]
    assert "Wrong.prunable_parameters() returns a list; expected {parameter name: layer kind}" in refusal(module)
    module.declared = {"weigth": "fc"}
    assert "Wrong.prunable_parameters() names weigth; its parameters are weight, bias" in refusal(module)
    assert "LayerNorm has no weights to prune" in refusal(nn.LayerNorm((2, 2)))
    assert "Embedding has no weights to prune" in refusal(nn.Embedding(2, 2))


# Drawing afresh


def draws(module: nn.Module, seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    protocols.reset_parameters(module)
    return weights(module)


def spoil(module: nn.Module) -> None:
    """Give every parameter and every buffer of numbers a value that no initialisation has."""
    with torch.no_grad():
        for value in module.state_dict().values():
            value.fill_(37)


NESTED: dict[str, Any] = {
    "nested": lambda: nn.Sequential(
        nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4), nn.ModuleDict({"a": nn.Linear(4, 2)}))
    ),
    "attention": lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
    "attention with other sizes": lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
    "transformer layer": lambda: nn.TransformerEncoderLayer(4, 2, 8),
    "transformer": lambda: nn.Transformer(4, 2, 1, 1, 8, batch_first=True),
    "lstm": lambda: nn.LSTM(3, 4, 2),
    "compiled": lambda: nn.Sequential(
        torch.compile(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), backend="eager")
    ),
}


@pytest.mark.parametrize("make", NESTED.values(), ids=NESTED)
def test_every_tensor_is_drawn_anew(make: Any) -> None:
    """What stood there before has no part in it: two modules with other values draw the same."""
    module, other = make(), make()
    spoil(module)
    before = [(id(each), each.data_ptr()) for each in module.parameters()]
    drawn = draws(module, 5)
    assert [(id(each), each.data_ptr()) for each in module.parameters()] == before
    assert not any((value == 37).any() for value in drawn.values())
    assert same(drawn, draws(other, 5))
    assert not same(drawn, draws(other, 6))


def test_attention_is_drawn_anew_beside_lightnings_demos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing them gives torch's attention a `reset_parameters` that leaves its last layer as it is."""
    partial = nn.MultiheadAttention._reset_parameters
    monkeypatch.setattr(nn.MultiheadAttention, "reset_parameters", partial, raising=False)
    test_every_tensor_is_drawn_anew(NESTED["attention"])


def test_draws_are_as_wide_as_a_fresh_layers() -> None:
    module = nn.Sequential(nn.Linear(400, 300))
    spoil(module)
    drawn = draws(module, 0)["0.weight"]
    assert drawn.abs().max() <= 1 / math.sqrt(400)
    assert drawn.std().item() == pytest.approx(1 / math.sqrt(3 * 400), rel=0.02)


def test_running_statistics_begin_again() -> None:
    module = nn.Sequential(nn.BatchNorm1d(4), nn.BatchNorm1d(4, affine=False))
    module(torch.randn(8, 4) * 3 + 5)
    assert module[1].running_mean.abs().min() > 0
    protocols.reset_parameters(module)
    for norm in module:
        assert norm.running_mean.tolist() == [0] * 4
        assert norm.running_var.tolist() == [1] * 4
        assert norm.num_batches_tracked == 0


def test_a_method_of_the_modules_own_draws_all_of_it() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.scale = nn.Linear(2, 2), nn.Parameter(torch.ones(1))

        def reset_parameters(self) -> None:
            nn.init.constant_(self.inner.weight, 3.0)

    module = nn.Sequential(Own())
    protocols.reset_parameters(module)
    assert (module[0].inner.weight == 3).all()


def test_a_parameter_that_nobody_draws_is_refused_by_name() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.temperature = nn.Linear(2, 2), nn.Parameter(torch.ones(1))

    for module in (Scaled(), nn.Sequential(nn.Linear(2, 2), Scaled()), Classifier(nn.Sequential(Scaled()))):
        with pytest.raises(UserError, match=r"^Scaled cannot reinitialise its parameter temperature; .*reset_"):
            protocols.reset_parameters(module)


# Metrics, data and loaders


def test_metrics_that_are_declared_or_not() -> None:
    assert protocols.metric_schema(TinyModule()) is None
    module = TinyModule()
    module.metric_schema = (metric for metric in (loss("val_loss"), loss("other")))  # type: ignore[assignment]
    assert [metric.name for metric in protocols.metric_schema(module) or []] == ["val_loss", "other"]
    empty = TinyModule()
    empty.metric_schema = ()  # type: ignore[assignment]
    assert protocols.metric_schema(empty) == []
    declared = protocols.metric_schema(Classifier(Declaring())) or []
    before = protocols.initial_schema(Classifier(Declaring()))
    assert [*declared, *before] == list(Classifier.metric_schema)
    assert [metric.name for metric in before] == ["supermask_accuracy"]


def test_what_data_may_leave_out() -> None:
    data = TinyData()
    protocols.reseed(data, split=1, order=2)
    assert protocols.checksums(data) == {}
    told: list[tuple[int, int]] = []
    data.reseed = lambda *, split, order: told.append((split, order))  # type: ignore[attr-defined]
    data.checksums = {"a": "b"}  # type: ignore[attr-defined]
    protocols.reseed(data, split=1, order=2)
    assert told == [(1, 2)]
    assert protocols.checksums(data) == {"a": "b"}


def test_final_metrics_of_a_module_that_has_them() -> None:
    class Final(TinyModule):
        def final_metrics(self, datamodule: Any) -> dict[str, float]:
            return {"rows": float(len(datamodule.sets["train"][0]))}

    assert protocols.final_metrics(Final(), TinyData(9)) == {"rows": 9.0}
    assert protocols.final_metrics(TinyModule(), TinyData(9)) == {}


def test_loaders_that_can_go_on_anywhere() -> None:
    stateful = TinyData().train_dataloader()
    plain = torch.utils.data.DataLoader([1, 2, 3])
    assert protocols.can_go_on_anywhere([stateful, stateful])
    assert not protocols.can_go_on_anywhere([stateful, plain])
    assert not protocols.can_go_on_anywhere([plain])
