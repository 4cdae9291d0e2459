"""Methods that change the training, in one tiny lottery with all of them: schedules, starts, masks, rows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from helpers.tiny import same
from helpers.tiny_lottery import ITERATIONS, lottery
from helpers.watched_lottery import DECAY, LR, Seen, watched
from torch import Tensor

from app.common.errors import Interrupted, UserError
from app.lottery.methods import FineTuning, Iterative, Method, RandomMask
from app.lottery.origins import check_origins
from app.lottery.prerequisites import graph
from app.lottery.settings import Pruning
from app.pruning import Score, masked
from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_metrics, read_results
from app.runs.tensors import load_tensors

POINT, TAIL = 4, 5  # the rewind point; iterations of a round of fine-tuning
RATES = {"net.fc.weight": 0.25, "net.output.weight": 0.1}
FAMILY = ("iterative", "lr_rewinding", "fine_tuning", "weights_only", "continued", "dense_continued")
METHODS = [*FAMILY, "random_erk", "same_sign"]
OPTIONS: dict[str, Any] = {"rewind_to": f"{POINT}it", "rounds": 2}


def all_methods() -> list[str | Method]:
    return [FineTuning(TAIL) if name == "fine_tuning" else name for name in METHODS]


class Drawn(NamedTuple):
    """A finished lottery and what its trainings saw."""

    layout: RunLayout
    seen: dict[str, Seen]

    def file(self, method: str, round: int, name: str) -> dict[str, Tensor]:
        """Tensors of a network."""
        of = "" if method in FAMILY[:-1] or round == 0 else "iterative"
        return load_tensors(self.layout.root / NetworkKey(0, method, round, of=of).path / f"{name}.safetensors")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    root = tmp_path_factory.mktemp("family")
    made, seen = watched(root, methods=all_methods(), **OPTIONS)
    made.run()
    return Drawn(RunLayout(root), seen)


def begins_at(method: str) -> int:
    return {"lr_rewinding": 0, "fine_tuning": ITERATIONS - TAIL}.get(method, POINT)


@pytest.mark.parametrize("round", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_the_learning_rate_and_the_batch_of_every_iteration(drawn: Drawn, method: str, round: int) -> None:
    seen, dense = drawn.seen[f"{method} {round}"], drawn.seen["dense 0"]
    iterations = range(begins_at(method), ITERATIONS)
    constant = method in ("fine_tuning", "weights_only")
    assert seen.rates == pytest.approx({i: LR * DECAY ** (ITERATIONS - 1 if constant else i) for i in iterations})
    assert seen.batches == {i: dense.batches[i] for i in iterations}
    assert seen.momentum_at_start == 0


def kept(weights: Tensor, mask: Tensor, rate: float) -> Tensor:
    """The mask after the smallest weights went, one by one."""
    left = mask.clone()
    for _ in range(round(rate * int(mask.sum()))):
        places = left.nonzero().tolist()
        left[tuple(min(places, key=lambda place: abs(float(weights[tuple(place)]))))] = False
    return left


@pytest.mark.parametrize("round", [1, 2])
@pytest.mark.parametrize("method", ["iterative", "lr_rewinding", "fine_tuning", "weights_only"])
def test_each_chain_prunes_its_own_network_and_starts_where_it_says(drawn: Drawn, method: str, round: int) -> None:
    before = ("dense", 0) if round == 1 else (method, 1)
    trained, mask = drawn.file(*before, "final"), drawn.file(*before, "mask")
    expected = {name: kept(trained[name], mask[name], rate) for name, rate in RATES.items()}
    assert same(drawn.file(method, round, "mask"), expected)
    state = load_tensors(drawn.layout.rewind_weights(0)) if method in ("iterative", "weights_only") else trained
    start = masked(state, expected)
    assert same(drawn.file(method, round, "start"), start)
    began_with = drawn.seen[f"{method} {round}"].start
    assert all(began_with[name].equal(start[name]) for name in began_with)


@pytest.mark.parametrize("round", [1, 2])
def test_continued_training_measures_the_chains_masks_rewound(drawn: Drawn, round: int) -> None:
    masks = drawn.file("continued", round, "mask")
    assert same(masks, drawn.file("lr_rewinding", round, "mask"))
    state = load_tensors(drawn.layout.rewind_weights(0))
    start = masked(state, masks)
    assert same(drawn.file("continued", round, "start"), start)


def test_the_dense_network_trained_on_keeps_everything(drawn: Drawn) -> None:
    for round, before in ((1, ("dense", 0)), (2, ("dense_continued", 1))):
        assert all(mask.all() for mask in drawn.file("dense_continued", round, "mask").values())
        assert same(drawn.file("dense_continued", round, "start"), drawn.file(*before, "final"))


def test_every_method_has_a_row_for_every_round(drawn: Drawn) -> None:
    rows = read_results(drawn.layout.results)
    assert [(row.method, row.round) for row in rows] == [
        ("dense", 0),
        *((method, round) for method in METHODS for round in (1, 2)),
    ]
    density = {(row.method, row.round): row.density for row in rows}
    for (method, round), share in density.items():
        assert share == (1 if "dense" in method else density["iterative", round]), (method, round)
    assert density["iterative", 2] < density["iterative", 1] < 1
    assert {row.iterations for row in rows} == {ITERATIONS}


def test_reports_say_where_trainings_began_and_the_last_rate(drawn: Drawn) -> None:
    for method in FAMILY:
        of = "iterative" if method == "dense_continued" else ""
        files = drawn.layout.network(NetworkKey(0, method, 1, of=of))
        assert json.loads(files.report.read_text())["began_at"] == begins_at(method)
        assert [row["iteration"] for row in read_metrics(files.metrics)] == [
            iteration for iteration in (0, 4, 8, 12) if iteration > begins_at(method) or begins_at(method) == 0
        ]
    dense = json.loads(drawn.layout.network(NetworkKey(0, "dense", 0)).report.read_text())
    assert dense["last_learning_rates"] == [[pytest.approx(LR * DECAY ** (ITERATIONS - 1))]]


@pytest.mark.parametrize("die_at", [("dense 0", 8), ("fine_tuning 1", 10)])
def test_a_training_that_was_ended_goes_on_to_the_same_bits(
    drawn: Drawn, tmp_path: Path, die_at: tuple[str, int]
) -> None:
    methods: list[str | Method] = [FineTuning(iterations=TAIL), "weights_only"]
    made, _ = watched(tmp_path, die_at=die_at, methods=methods, **OPTIONS)
    with pytest.raises((KeyboardInterrupt, SystemExit, Interrupted)):
        made.run()
    made, seen = watched(tmp_path, methods=methods, **OPTIONS)
    made.run()
    assert min(seen[die_at[0]].batches) == die_at[1], "it began anew"
    networks = RunLayout(tmp_path).networks()
    assert {key.method for key in networks} == {"dense", "fine_tuning", "weights_only"}
    for key, files in networks.items():
        whole = drawn.layout.network(key)
        for path in (files.final, files.mask, files.metrics, files.start):
            assert path.read_bytes() == (whole.root / path.name).read_bytes(), (key, path.name)


def test_starting_weights_that_are_lost_are_trained_for_again(drawn: Drawn, tmp_path: Path) -> None:
    """The trained weights that LR rewinding starts with are not kept; the starting ones are asked for later."""
    watched(tmp_path, methods=["lr_rewinding"], keep=[], **OPTIONS)[0].run()
    made, seen = watched(tmp_path, methods=["lr_rewinding"], keep=["start"], **OPTIONS)
    made.run()
    assert list(seen) == ["dense 0", "lr_rewinding 1", "lr_rewinding 2"]
    key = NetworkKey(0, "lr_rewinding", 2)
    assert RunLayout(tmp_path).network(key).start.read_bytes() == drawn.layout.network(key).start.read_bytes()


def test_the_last_rate_of_an_older_run_directory_is_asked_for_early(drawn: Drawn, tmp_path: Path) -> None:
    lottery(tmp_path, rounds=1).run()
    layout, settings = RunLayout(tmp_path), Pruning(rounds=1, methods=["iterative", "weights_only"])
    check_origins(settings, layout, {NetworkKey(0, "weights_only", 1)})
    report = layout.network(NetworkKey(0, "dense", 0)).report
    report.write_text(json.dumps(json.loads(report.read_text()) | {"last_learning_rates": None}))
    with pytest.raises(UserError, match=r"report.json: has no last_learning_rates.*delete .*round_00, and") as raised:
        check_origins(settings, layout, {NetworkKey(0, "weights_only", 1)})
    assert "\n" not in str(raised.value)
    check_origins(settings, layout, {NetworkKey(0, "iterative", 1)})


@pytest.mark.parametrize("resume_schedule", [True, False])
def test_a_method_rewound_to_its_own_moment_is_that_of_a_lottery_rewound_there(
    tmp_path: Path, resume_schedule: bool
) -> None:
    """And so are its controls; the moment is also that of fine-tuning."""
    methods = [Iterative("7it"), FineTuning(ITERATIONS - 7), RandomMask(of="iterative_7it")]
    options: dict[str, Any] = {"rounds": 1, "resume_schedule": resume_schedule}
    made, seen = watched(tmp_path / "own", methods=methods, rewind_to="4it", **options)
    made.run()
    watched(tmp_path / "whole", rewind_to="7it", **options)[0].run()
    own, whole = RunLayout(tmp_path / "own"), RunLayout(tmp_path / "whole")
    ours, theirs = own.network(NetworkKey(0, "iterative_7it", 1)), whole.network(NetworkKey(0, "iterative", 1))
    for path in (ours.start, ours.mask, ours.final, ours.metrics):
        assert path.read_bytes() == (theirs.root / path.name).read_bytes(), path.name
    control = own.network(NetworkKey(0, "random_mask_of_iterative_7it", 1, of="iterative_7it"))
    point = load_tensors(whole.rewind_weights(0))
    assert same(load_tensors(control.start), masked(point, load_tensors(control.mask)))
    first = 7 if resume_schedule else 0
    assert [min(seen[f"{name} 1"].batches) for name in ("iterative_7it", "random_mask_of_iterative_7it")] == [first] * 2
    assert min(seen["fine_tuning 1"].batches) == 7


@pytest.mark.parametrize(("moment", "said"), [("2ep", "give a number of iterations"), ("x", "write iterations as")])
def test_a_moment_of_ones_own_is_a_number_of_iterations(moment: str, said: str) -> None:
    with pytest.raises(UserError, match=f"rewind_to is .*{moment}.*{said}"):
        Iterative(moment)


class Moved(Score):
    """|w - w_0|."""

    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Any,
    ) -> dict[str, Tensor]:
        return {name: (weights[name].cpu() - starting_weights[name]).abs() for name in masks}


def test_scores_compare_weights_that_train_on_with_the_rewind_point(tmp_path: Path) -> None:
    lottery(tmp_path, rounds=1, methods=["lr_rewinding"], score=Moved()).run()
    layout = RunLayout(tmp_path)
    trained, start = load_tensors(layout.network(NetworkKey(0, "dense", 0)).final), load_tensors(layout.initial(0))
    masks = load_tensors(layout.network(NetworkKey(0, "lr_rewinding", 1)).mask)
    for name, rate in RATES.items():
        whole = torch.ones_like(masks[name])
        assert masks[name].equal(kept(trained[name] - start[name], whole, rate))


def test_a_chain_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    settings = Pruning(rounds=1, methods=["iterative", "continued"])
    with pytest.raises(UserError, match="continued, round 1 needs replicate 0, lr_rewinding, round 1, which no method"):
        graph(settings, set(settings.networks()))
