"""Stability: what copies begin with and see, that they resume, and what is measured between them."""

import io
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_lottery import ITERATIONS, Blobs, TinyNet, lottery, make_trainer
from rich.console import Console
from torch.optim import SGD

from app.common import used_kernels
from app.common.errors import Interrupted, UserError
from app.lottery.experiment import Experiment
from app.lottery.rounds import Lottery
from app.lottery.stability import study as study_module
from app.lottery.stability.copies import Copies
from app.lottery.stability.error_line import read_line
from app.lottery.stability.layout import Point, StabilityLayout
from app.lottery.stability.study import StabilityOptions, StabilityStudy
from app.lottery.stability.table import read_rows, stability_table
from app.runs.layout import NetworkKey, RunLayout
from app.runs.tensors import load_tensors
from app.training.training import Training
from callbacks import ExperimentProgress

SETTINGS: dict[str, Any] = {"rounds": 1, "rewind_to": "5it"}
TICKET, DENSE = NetworkKey(0, "iterative", 1), NetworkKey(0, "dense", 0)
BOTH = StabilityOptions(rounds=(0, 1), points=5)


def fast(root: Path, **settings: Any) -> Lottery:
    """A tiny lottery whose networks learn something in a few iterations."""
    drawn = lottery(root, **settings)
    drawn.model.optimizer = partial(SGD, lr=0.5, momentum=0.9)
    return drawn


def experiment(root: Path, **settings: Any) -> Experiment:
    """The experiment of a tiny lottery, with fresh objects as a fresh process would have them."""
    drawn = fast(root, **SETTINGS | settings)
    return Experiment(
        model=drawn.model,
        data=drawn.data,
        settings=drawn.settings,
        layout=drawn.layout,
        iterations=ITERATIONS,
        rewind_iteration=5,
        seed=0,
        threads=1,
        config={"trainer": {}},
        make_trainer=make_trainer,
        make_loggers=list,
        checkpoint_seconds=0.0,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """A finished lottery of a ticket that is rewound to iteration 5, with its stability."""
    root = tmp_path_factory.mktemp("runs") / "tiny"
    fast(root, **SETTINGS).run()
    StabilityStudy(options=BOTH)(experiment(root))
    return RunLayout(root)


def finals(run: RunLayout, key: NetworkKey, copies: int = 2, at: int = 5) -> list[dict[str, torch.Tensor]]:
    layout = StabilityLayout.of(run)
    return [load_tensors(layout.copy(Point(key, at), number).final) for number in range(copies)]


def error_of(state: dict[str, torch.Tensor]) -> float:
    """The error of a network on the test images."""
    net, data = TinyNet(), Blobs()
    net.load_state_dict({name.removeprefix("net."): value for name, value in state.items()})
    data.prepare()
    ((images, labels),) = data.test_dataloader()
    return 1 - float((net.eval()(images).argmax(1) == labels).double().mean())


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(value.equal(second[name]) for name, value in first.items())


def test_copies_end_elsewhere_and_keep_the_mask(run: RunLayout) -> None:
    mask = load_tensors(run.network(TICKET).mask)
    first, second = finals(run, TICKET)
    assert not same(first, second)
    for name, kept in mask.items():
        assert not first[name][~kept].any()
        assert not second[name][~kept].any()
    assert not same(*finals(run, DENSE))


def test_the_errors_are_those_of_the_networks_on_the_line(run: RunLayout) -> None:
    rows = {row.method: row for row in read_rows(StabilityLayout.of(run).table)}
    assert rows.keys() == {"dense", "iterative"}
    for key, row in ((DENSE, rows["dense"]), (TICKET, rows["iterative"])):
        first, second = finals(run, key)
        between = [
            {name: (1 - a) * value + a * second[name] for name, value in first.items()} for a in (0, 0.25, 0.5, 0.75, 1)
        ]
        errors = [error_of(state) for state in between]
        assert len(set(errors)) > 1, "the test could not tell places apart"
        line = read_line(StabilityLayout.of(run).root / row.line)
        assert line is not None
        assert line.errors == pytest.approx(errors, abs=1e-6)
        assert (row.error_first, row.error_second) == pytest.approx((errors[0], errors[-1]), abs=1e-6)
        assert row.barrier == pytest.approx(max(errors) - (errors[0] + errors[-1]) / 2, abs=1e-6)
        assert (row.iteration, row.first, row.second, row.metric) == (5, 0, 1, "test_accuracy")
    assert (rows["dense"].density, rows["iterative"].density) == (1.0, (36 + 32) / 84)


def test_with_the_order_of_the_lottery_a_copy_is_the_network(
    run: RunLayout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So nothing but order and random numbers sets copies apart from it."""
    own = experiment(run.root)
    monkeypatch.setattr(Copies, "_seeds", lambda copies, key, number: copies.lottery.seeds(key))
    progress = ExperimentProgress(1)
    copies = Copies(
        experiment=own,
        lottery=own.lottery(progress, bool),
        layout=StabilityLayout(tmp_path),
        progress=progress,
        stop=bool,
    )
    assert same(copies.final(Point(TICKET, 5), 0), load_tensors(run.network(TICKET).final))


def test_running_again_trains_and_measures_nothing(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is missing")

    monkeypatch.setattr(Training, "run", refuse)
    monkeypatch.setattr(study_module, "measure", refuse)
    before = read_rows(StabilityLayout.of(run).table)
    assert StabilityStudy(options=BOTH)(experiment(run.root)) == before
    with pytest.raises(AssertionError, match="nothing is missing"):
        StabilityStudy(options=replace(BOTH, points=4))(experiment(run.root))
    with pytest.raises(AssertionError, match="nothing is missing"):
        StabilityStudy(options=replace(BOTH, copies=3))(experiment(run.root))


@pytest.mark.parametrize("at", [2, 9])
def test_a_study_that_was_stopped_goes_on_to_the_same_bits(
    at: int, run: RunLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast(tmp_path, **SETTINGS).run()
    asked, stopped = iter(range(1000)), experiment(tmp_path)
    whole = Training.run

    def stop_once(training: Training) -> Any:
        return whole(replace(training, stop=lambda: next(asked) >= at))

    monkeypatch.setattr(Training, "run", stop_once)
    options = StabilityOptions(rounds=(1,), points=3)
    with pytest.raises(Interrupted):
        StabilityStudy(options=options)(stopped)
    monkeypatch.undo()
    StabilityStudy(options=options)(experiment(tmp_path))
    for ours, theirs in zip(finals(RunLayout(tmp_path), TICKET), finals(run, TICKET), strict=True):
        assert same(ours, theirs)


def test_the_dense_training_is_repeated_up_to_other_iterations(run: RunLayout, tmp_path: Path) -> None:
    StabilityStudy(options=StabilityOptions(rounds=(1,), at=(0, 7), points=3))(experiment(run.root))
    other = tmp_path / "later"
    fast(other, rounds=1, rewind_to="7it").run()
    state = torch.load(StabilityLayout.of(run).moment(0, 7), weights_only=True)["state_dict"]
    assert same(load_tensors(RunLayout(other).rewind_weights(0)), state)
    assert {row.iteration for row in read_rows(StabilityLayout.of(run).table)} == {0, 5, 7}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": (3,)}, "has no network replicate 0, iterative, round 3; its methods are dense, iterative"),
        ({"method": "one_shot", "rounds": (1,)}, "has no network replicate 0, one_shot, round 1"),
        ({"replicates": (1,)}, "has no network replicate 1, dense, round 0"),
        ({"method": "lr_rewinding", "rounds": (1,)}, "lr_rewinding, round 1 does not train on from the rewind point"),
        ({"at": (12,)}, "--at 12it: .* have iterations 0 to 11"),
    ],
)
def test_what_the_lottery_does_not_have_is_one_line(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    methods = ["iterative", *([options["method"]] if options.get("method") == "lr_rewinding" else [])]
    with pytest.raises(UserError, match=message):
        StabilityStudy(options=StabilityOptions(**options))(experiment(tmp_path, methods=methods))


def test_an_unfinished_network_and_a_damaged_copy_are_one_line(run: RunLayout, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished network"):
        StabilityStudy(options=StabilityOptions(rounds=(1,)))(experiment(tmp_path))
    copy = StabilityLayout.of(run).copy(Point(DENSE, 5), 0)
    whole = copy.final.read_bytes()
    other = StabilityLayout.of(run).copy(Point(DENSE, 5), 1).final.read_bytes()
    try:
        for content, problem in (
            (whole[:-4] + bytes(4), r"damaged \(its SHA-256"),
            (other, "damaged, or another file"),
        ):
            copy.final.write_bytes(content)
            with pytest.raises(UserError, match=rf"{problem}.*delete .*copy_0"):
                StabilityStudy(options=BOTH)(experiment(run.root))
    finally:
        copy.final.write_bytes(whole)


def test_options_that_make_no_sense_are_one_line() -> None:
    for options, message in (({"copies": 1}, "--copies is 1"), ({"points": 2}, "--points is 2")):
        with pytest.raises(UserError, match=message):
            StabilityOptions(**options)


def test_the_table_marks_what_is_stable(run: RunLayout) -> None:
    rows = read_rows(StabilityLayout.of(run).table)[:2]
    rows = [replace(rows[0], barrier=0.019), replace(rows[1], barrier=0.02)]
    console = Console(width=80, file=io.StringIO())
    console.print(stability_table(rows))
    lines = console.file.getvalue().splitlines()[-2:]
    assert [line.split()[-1] for line in lines] == ["yes", "no"]
    assert "…" not in console.file.getvalue()


def test_copies_have_the_kernels_of_the_lottery_or_others_by_permission(
    run: RunLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = RunLayout(shutil.copytree(run.root, tmp_path / "tiny"))
    monkeypatch.setattr(used_kernels, "instruction_set", lambda: "another")
    StabilityStudy(options=BOTH)(experiment(there.root))  # trains nothing
    more = StabilityStudy(options=replace(BOTH, rounds=(0,), copies=3))
    with pytest.raises(UserError, match=r"tiny was begun with other kernels \(cpu: .* -> another\).*_kernels true$"):
        more(experiment(there.root))
    allowed = experiment(there.root)
    allowed.config["allow_other_kernels"] = True
    with pytest.warns(UserWarning, match=r"tiny was begun with other kernels \(cpu: .* -> another\)"):
        more(allowed)
    layout = StabilityLayout.of(there)
    reports = [json.loads(layout.copy(Point(DENSE, 5), number).report.read_text()) for number in range(3)]
    assert [report["kernels"]["cpu"] == "another" for report in reports] == [False, False, True]


def test_copies_are_compared_with_the_record_of_the_lottery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast(tmp_path / "tiny", **SETTINGS).run()
    (tmp_path / "tiny/config.yaml").write_text("kernels:\n- cpu: theirs\n")
    monkeypatch.setattr(used_kernels, "instruction_set", lambda: "ours")
    with pytest.raises(UserError, match=r"tiny was begun with other kernels \(cpu: theirs -> ours\)"):
        StabilityStudy(options=BOTH)(experiment(tmp_path / "tiny"))
