"""Tensors on disk, and a ticket back from a run directory made by hand."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import same, weights
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.states import digest
from app.modules import Classifier
from app.nets import LeNet
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout
from app.runs.tensors import load_tensors, save_tensors
from app.runs.ticket import load_ticket

State = dict[str, Tensor]


def wrapped(state: State) -> State:
    """The names that a run directory has: those of a Classifier."""
    return {f"net.{name}": value for name, value in state.items()}


def lenet(seed: int) -> State:
    torch.manual_seed(seed)
    return weights(LeNet())


def masked(state: State, masks: State) -> State:
    return {name: value.masked_fill(~masks[name], 0) if name in masks else value for name, value in state.items()}


INITIAL, LATER, TRAINED = (lenet(seed) for seed in range(3))
MASKS = {name: torch.rand(INITIAL[name].shape) < 0.4 for name in LeNet().prunable_parameters()}


def note_start(files: TrainingLayout, state: State) -> None:
    """Write down in report.json which weights a network began from."""
    write_atomically(files.report, json.dumps({"checksums": {"start": digest(wrapped(state))}}))


@pytest.fixture
def run(tmp_path: Path) -> RunLayout:
    """A run that rewinds to iteration 0, with one network of every method; the final weights of each are kept."""
    layout = RunLayout(tmp_path / "lenet")
    save_tensors(layout.initial(0), wrapped(INITIAL))
    for key in (
        NetworkKey(0, "dense", 0),
        NetworkKey(0, "iterative", 7),
        NetworkKey(0, "one_shot", 7),
        NetworkKey(0, "random_mask", 7, of="iterative"),
        NetworkKey(0, "random_reinit", 7, 1, of="iterative"),
    ):
        files = layout.network(key)
        note_start(files, TRAINED if key.method == "random_reinit" else INITIAL)
        save_tensors(files.mask, wrapped(MASKS))
        save_tensors(files.final, wrapped(masked(TRAINED, MASKS)))
        files.done.touch()
    return layout


def ticket_of(run: RunLayout, method: str = "iterative") -> TrainingLayout:
    round, branch = (0 if method == "dense" else 7), (1 if method == "random_reinit" else 0)
    of = "iterative" if method.startswith("random") else ""
    return run.network(NetworkKey(0, method, round, branch, of=of))


# Tensors on disk

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
dtypes = st.sampled_from([torch.float32, torch.float64, torch.bool, torch.int64, torch.uint8, torch.bfloat16])
names = st.text("abc.é_0", min_size=1, max_size=6)


@st.composite
def states(draw: Any) -> State:
    torch.manual_seed(draw(st.integers(0, 9)))
    kinds = draw(st.dictionaries(names, st.tuples(shapes, dtypes), max_size=4))
    return {name: (torch.randn(shape) * 3).to(dtype) for name, (shape, dtype) in kinds.items()}


@settings(max_examples=40)
@given(states())
def test_tensors_come_back_as_they_were(tmp_path_factory: Any, state: State) -> None:
    path = tmp_path_factory.mktemp("tensors") / "a" / "state.safetensors"
    save_tensors(path, state)
    loaded = load_tensors(path)
    assert loaded.keys() == state.keys()
    assert all(loaded[name].dtype == value.dtype and loaded[name].equal(value) for name, value in state.items())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_same_values_are_the_same_bytes(tmp_path: Path) -> None:
    weight = torch.randn(6, 4)
    ways = [
        {"a": weight, "b": weight.bool()},
        {"b": weight.bool(), "a": weight.clone()},
        {"b": weight.bool(), "a": weight.t().contiguous().t()},
        {"a": nn.Parameter(weight), "b": weight.bool()},
    ]
    for number, state in enumerate(ways):
        save_tensors(tmp_path / f"{number}", state)
    assert len({(tmp_path / f"{number}").read_bytes() for number in range(4)}) == 1
    assert len({digest(state) for state in ways}) == 1


def test_tied_tensors_are_written_twice(tmp_path: Path) -> None:
    weight = torch.randn(3)
    save_tensors(tmp_path / "tied", {"a": weight, "b": weight, "c": weight[1:]})
    assert {name: len(value) for name, value in load_tensors(tmp_path / "tied").items()} == {"a": 3, "b": 3, "c": 2}


@settings(max_examples=40)
@given(states(), states())
def test_digests_differ_where_states_do(one: State, other: State) -> None:
    alike = one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].shape == other[name].shape and one[name].equal(other[name])
        for name in one
    )
    assert (digest(one) == digest(other)) is alike


def test_a_digest_sees_names_types_and_shapes() -> None:
    zeros = torch.zeros(2, 3)
    variants = [
        {"a": zeros},
        {"b": zeros},
        {"a": zeros.int()},
        {"a": zeros.t()},
        {"a": -zeros},
        {"a": zeros, "b": zeros},
    ]
    assert len({digest(variant) for variant in variants}) == len(variants)


@pytest.mark.parametrize("damage", ["cut short", "emptied", "overwritten"])
def test_a_damaged_file_is_a_one_line_mistake(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "mask.safetensors"
    save_tensors(path, MASKS)
    data = path.read_bytes()
    path.write_bytes({"cut short": data[:-5], "emptied": b"", "overwritten": b"<html>" + data}[damage])
    with pytest.raises(UserError, match=r"mask\.safetensors: not a safetensors file") as raised:
        load_tensors(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_a_one_line_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing: no such file") as raised:
        load_tensors(tmp_path / "nothing")
    assert "\n" not in str(raised.value)


# A ticket back


def into(kind: str) -> tuple[nn.Module, str]:
    """A module to load into, and how its names begin."""
    torch.manual_seed(9)
    return (LeNet(), "") if kind == "plain" else (Classifier(LeNet()), "net.")


@pytest.mark.parametrize("kind", ["plain", "wrapped"])
@pytest.mark.parametrize("method", ["iterative", "one_shot", "random_mask"])
def test_a_ticket_is_its_mask_times_the_initial_weights(run: RunLayout, kind: str, method: str) -> None:
    module, prefix = into(kind)
    before = [(id(parameter), parameter.data_ptr()) for parameter in module.parameters()]
    masks = load_ticket(ticket_of(run, method).root, module)
    assert same(masks, {prefix + name: mask for name, mask in MASKS.items()})
    assert same(weights(module), {prefix + name: value for name, value in masked(INITIAL, MASKS).items()})
    assert [(id(parameter), parameter.data_ptr()) for parameter in module.parameters()] == before


@pytest.mark.parametrize("kind", ["plain", "wrapped"])
@pytest.mark.parametrize("method", ["dense", "iterative", "one_shot", "random_mask", "random_reinit"])
def test_final_weights_are_the_trained_ones(run: RunLayout, kind: str, method: str) -> None:
    module, prefix = into(kind)
    masks = load_ticket(str(ticket_of(run, method).root), module, weights="final")
    assert same(weights(module), {prefix + name: value for name, value in masked(TRAINED, MASKS).items()})
    assert all(mask.dtype == torch.bool for mask in masks.values())


def test_a_late_ticket_starts_at_the_rewind_point(run: RunLayout) -> None:
    save_tensors(run.rewind_weights(0), wrapped(LATER))
    note_start(ticket_of(run), LATER)
    module = LeNet()
    load_ticket(ticket_of(run).root, module)
    assert same(weights(module), masked(LATER, MASKS))


def test_the_dense_network_of_a_late_run_starts_at_its_initial_weights(run: RunLayout) -> None:
    save_tensors(run.rewind_weights(0), wrapped(LATER))
    module = LeNet()
    load_ticket(ticket_of(run, "dense").root, module)
    assert same(weights(module), masked(INITIAL, MASKS))


@pytest.mark.parametrize("method", ["iterative", "random_reinit"])
def test_starting_weights_kept_with_the_network_come_first(run: RunLayout, method: str) -> None:
    save_tensors(ticket_of(run, method).start, wrapped(masked(LATER, MASKS)))
    module = LeNet()
    load_ticket(ticket_of(run, method).root, module)
    assert same(weights(module), masked(LATER, MASKS))


def test_a_relative_path_and_another_replicate(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(run.replicate(0), run.replicate(12))
    save_tensors(run.initial(12), wrapped(LATER))
    monkeypatch.chdir(run.replicate(12) / "iterative")
    module = LeNet()
    for network in ("round_07", "../round_00"):
        note_start(TrainingLayout(Path(network)), LATER)
    load_ticket("round_07", module)
    assert same(weights(module), masked(LATER, MASKS))


def test_a_module_in_double_precision_keeps_it(run: RunLayout) -> None:
    module = LeNet().double()
    load_ticket(ticket_of(run).root, module)
    assert module.fc1.weight.dtype == torch.float64
    assert module.fc1.weight.equal(masked(INITIAL, MASKS)["fc1.weight"].double())


class Undeclared(nn.Module):
    """LeNet's names, and nothing about pruning."""

    def __init__(self, hidden: int = 300) -> None:
        super().__init__()
        self.fc1, self.fc2, self.output = nn.Linear(784, hidden), nn.Linear(hidden, 100), nn.Linear(100, 10)


def test_a_module_that_declares_nothing_will_do(run: RunLayout) -> None:
    module = Undeclared()
    load_ticket(ticket_of(run).root, module)
    assert same(weights(module), masked(INITIAL, MASKS))


class Inside(nn.Module):
    """A module that has a network under a name of its own."""

    def __init__(self, name: str, net: nn.Module | None = None) -> None:
        super().__init__()
        self.add_module(name, net or Undeclared())


def rename(run: RunLayout, name_of: Callable[[str], str], **more: Tensor) -> None:
    """Let the networks of the run have been trained in a module with other names, and perhaps more of them."""
    network = ticket_of(run)
    files = {network.mask: MASKS, network.final: masked(TRAINED, MASKS) | more, run.initial(0): INITIAL | more}
    for path, tensors in files.items():
        save_tensors(path, {each if each in more else name_of(each): value for each, value in tensors.items()})
    state = {each if each in more else name_of(each): value for each, value in (INITIAL | more).items()}
    for method in ("dense", "iterative"):
        write_atomically(ticket_of(run, method).report, json.dumps({"checksums": {"start": digest(state)}}))


@pytest.mark.parametrize("weights_of", ["start", "final"])
@pytest.mark.parametrize(
    ("there", "here", "make"),
    [
        ("net.net.", "net.", lambda: Inside("net")),
        ("net.net.", "", Undeclared),
        ("net.net.", "net.net.", lambda: Inside("net", Inside("net"))),
        ("net.", "net.net.", lambda: Inside("net", Inside("net"))),
        ("net.", "body.", lambda: Inside("body")),
        ("model.body.", "", Undeclared),
        ("model.", "net.", lambda: Inside("net")),
        ("", "net.", lambda: Inside("net")),
        ("", "", LeNet),
    ],
)
def test_a_network_may_have_another_name_here(
    run: RunLayout, there: str, here: str, make: Callable[[], nn.Module], weights_of: Any
) -> None:
    rename(run, lambda name: f"{there}{name}")
    module = make()
    masks = load_ticket(ticket_of(run).root, module, weights=weights_of)
    expected = masked(INITIAL if weights_of == "start" else TRAINED, MASKS)
    assert same(weights(module), {f"{here}{name}": value for name, value in expected.items()})
    assert same(masks, {f"{here}{name}": mask for name, mask in MASKS.items()})


def test_what_was_around_the_network_is_left_out(run: RunLayout) -> None:
    rename(run, lambda name: f"net.{name}", **{"accuracy.right": torch.zeros(1)})
    module = Undeclared()
    load_ticket(ticket_of(run).root, module)
    assert same(weights(module), masked(INITIAL, MASKS))


def test_another_network_in_net_is_refused(run: RunLayout) -> None:
    assert "differ in name or shape" in refusal(ticket_of(run).root, Inside("net", Undeclared(hidden=200)))
    assert "differ in name or shape" in refusal(ticket_of(run).root, Inside("net", nn.Linear(3, 3)))


# What can be wrong


def refusal(directory: Path | str, module: nn.Module | None = None, **options: Any) -> str:
    with pytest.raises(UserError) as raised:
        load_ticket(directory, module or LeNet(), **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_network_that_is_not_finished(run: RunLayout, tmp_path: Path) -> None:
    ticket_of(run).done.unlink()
    assert "no finished network there (no DONE file)" in refusal(ticket_of(run).root)
    assert "no finished network" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["mask", "final"])
def test_a_damaged_mask_or_weights(run: RunLayout, name: str) -> None:
    path = getattr(ticket_of(run), name)
    path.write_bytes(path.read_bytes()[:100])
    assert f"{path}: not a safetensors file" in refusal(ticket_of(run).root, weights="final")


def test_a_damaged_or_missing_starting_point(run: RunLayout) -> None:
    run.initial(0).write_bytes(b"")
    assert f"{run.initial(0)}: not a safetensors file" in refusal(ticket_of(run).root)
    run.initial(0).unlink()
    assert f"{run.initial(0)}: no such file" in refusal(ticket_of(run).root)


def test_final_weights_that_were_not_kept(run: RunLayout) -> None:
    ticket_of(run).final.unlink()
    # The network is done: the same lottery command would not train it again.
    assert "keep" in refusal(ticket_of(run).root, weights="final")


def test_fresh_weights_of_a_control_that_were_not_kept(run: RunLayout) -> None:
    assert "with pruning.keep [final, start] keeps them" in refusal(ticket_of(run, "random_reinit").root)


def test_the_folder_that_one_is_in_is_known_by_its_real_name(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ticket_of(run, "random_reinit").root)
    assert "were sampled for this network alone and not kept" in refusal(".")


@pytest.mark.parametrize("folder", ["elsewhere", "replicate_of_the_paper"])
def test_a_ticket_taken_out_of_its_run(run: RunLayout, tmp_path: Path, folder: str) -> None:
    shutil.copytree(ticket_of(run).root, tmp_path / folder / "ticket")
    assert "not inside a replicate of a run directory" in refusal(tmp_path / folder / "ticket")


def test_weights_of_a_third_kind(run: RunLayout) -> None:
    assert "final" in refusal(ticket_of(run).root, weights="initial")


def test_another_network_is_refused_and_left_as_it_was(run: RunLayout) -> None:
    class Other(LeNet):
        def __init__(self) -> None:
            super().__init__()
            self.last = self.output
            del self.output

        def reset_parameters(self) -> None:
            """Left to torch."""

        def prunable_parameters(self) -> dict[str, str]:
            return {"fc1.weight": "fc", "fc2.weight": "fc", "last.weight": "output"}

    for module in (Other(), Undeclared(hidden=200), nn.Linear(2, 2)):
        before = weights(module)
        message = refusal(ticket_of(run).root, module)
        assert "weight" in message
        assert same(weights(module), before), type(module).__name__


def test_other_weights_beside_the_mask(run: RunLayout) -> None:
    save_tensors(ticket_of(run).final, {"net.fc1.weight": torch.zeros(300, 784)})
    assert "another network's" in refusal(ticket_of(run).root, weights="final")
