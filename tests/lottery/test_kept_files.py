"""Which networks count as finished, and which of their files stay."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny import same
from helpers.tiny_lottery import lottery
from hypothesis import given, settings
from hypothesis import strategies as st

from app.lottery.job import Job
from app.lottery.kept_files import finished_keys, tidy
from app.lottery.rounds import Lottery
from app.lottery.settings import Pruning
from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import Result, read_results
from app.runs.tensors import load_tensors

EVERYTHING: dict[str, Any] = {"methods": ["iterative", "one_shot"], "random_reinit": 1, "random_mask": 1}
CONTROL = NetworkKey(0, "random_reinit", 2, of="iterative")


def noting(drawn: Lottery) -> tuple[Lottery, list[NetworkKey]]:
    """The lottery, and the networks that it trains from now on."""
    trained: list[NetworkKey] = []

    def train(job: Job) -> Result:
        trained.append(job.key)
        return plain(job)

    plain: Callable[[Job], Result] = drawn.train
    return replace(drawn, train=train), trained


def again(root: Path, **options: Any) -> list[NetworkKey]:
    """The networks that a further command trains."""
    drawn, trained = noting(lottery(root, **options))
    drawn.run()
    return trained


def test_starting_weights_are_found_without_training(tmp_path: Path) -> None:
    """And they are what a directory has that kept them from the beginning, for every method."""
    late, early = RunLayout(tmp_path / "late"), RunLayout(tmp_path / "early")
    options = EVERYTHING | {"rewind_to": "4it"}
    lottery(late.root, **options).run()
    assert not list(late.root.rglob("start.safetensors"))
    assert again(late.root, **options, keep=["final", "start"]) == []
    lottery(early.root, **options, keep=["final", "start"]).run()
    assert len(late.networks()) == 9
    for key, files in late.networks().items():
        assert same(load_tensors(files.start), load_tensors(early.networks()[key].start)), key


def test_starting_weights_that_are_no_longer_drawn_are_trained_anew(tmp_path: Path) -> None:
    """Another release of torch may draw other numbers: then the network that began with the old ones is not kept."""
    run = RunLayout(tmp_path)
    lottery(run.root, random_reinit=1).run()
    rows = read_results(run.results)
    report = json.loads(run.network(CONTROL).report.read_text())
    report["checksums"]["start"] = "0" * 64
    run.network(CONTROL).report.write_text(json.dumps(report))
    assert again(run.root, random_reinit=1, keep=["final", "start"]) == [CONTROL]
    assert all(files.start.exists() and files.done.exists() for files in run.networks().values())
    assert [row.key for row in read_results(run.results)] == [row.key for row in rows]
    assert again(run.root, random_reinit=1, keep=["final", "start"]) == []


def test_a_network_without_the_weights_that_are_to_be_kept_is_missing(tmp_path: Path) -> None:
    run, ticket = RunLayout(tmp_path), NetworkKey(0, "iterative", 1)
    lottery(run.root, random_reinit=1).run()
    before = load_tensors(run.network(ticket).final)
    run.network(ticket).final.unlink()
    assert again(run.root, random_reinit=1) == [ticket]
    assert same(load_tensors(run.network(ticket).final), before)


def test_without_keep_final_weights_are_made_again_where_new_rounds_need_them(tmp_path: Path) -> None:
    grown, whole = RunLayout(tmp_path / "grown"), RunLayout(tmp_path / "whole")
    lottery(grown.root, rounds=1, keep=[]).run()
    assert again(grown.root, rounds=1, keep=[]) == []
    # The new round is made from round 1, and that from the dense network; neither has its weights any more.
    assert again(grown.root, rounds=2, keep=[]) == list(Pruning(rounds=2).networks())
    lottery(whole.root, rounds=2, keep=[]).run()
    for key, files in whole.networks().items():
        assert files.metrics.read_bytes() == grown.network(key).metrics.read_bytes()
        assert files.mask.read_bytes() == grown.network(key).mask.read_bytes()
    assert not list(tmp_path.rglob("final.safetensors"))
    # A control of a ticket needs its mask only.
    assert {key.method for key in again(grown.root, rounds=2, keep=[], random_mask=1)} == {"random_mask"}


def test_nothing_is_deleted_before_the_whole_directory_is_done(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    whole = Pruning(rounds=2, rates={"fc": 0.25, "output": 0.1}, keep=[])
    replace(lottery(run.root, rounds=1, keep=[]), whole=whole).run()
    assert len(list(run.root.rglob("final.safetensors"))) == 2
    tidy(whole, run)
    assert len(list(run.root.rglob("final.safetensors"))) == 2
    drawn, trained = noting(lottery(run.root, rounds=2, keep=[]))
    drawn.run()
    assert trained == [NetworkKey(0, "iterative", 2)]
    assert not list(run.root.rglob("final.safetensors"))


def test_checkpoints_of_finished_networks_go_and_those_of_others_stay(tmp_path: Path) -> None:
    run, settings = RunLayout(tmp_path), Pruning(rounds=1)
    dense, ticket = (run.network(key) for key in settings.networks())
    for files in (dense, ticket):
        files.root.mkdir(parents=True)
        files.last.touch()
    dense.done.touch()
    tidy(settings, run)
    assert not dense.last.exists()
    assert ticket.last.exists()


@settings(max_examples=40)
@given(st.data())
def test_a_network_is_finished_if_no_missing_one_reads_what_it_lacks(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    options = Pruning(rounds=2, **EVERYTHING, keep=data.draw(st.sampled_from([[], ["final"], ["best"], ["start"]])))
    run = RunLayout(tmp_path_factory.mktemp("run"))
    keys = list(options.networks())
    state = {key: data.draw(st.tuples(*[st.sampled_from([True, True, False])] * 3)) for key in keys}
    for key, present in state.items():
        files = run.network(key)
        files.root.mkdir(parents=True)
        for path in (files.mask, files.metrics, files.report):
            path.touch()
        for path, there in zip((files.done, files.final, files.best), present, strict=True):
            if there:
                path.touch()

    def reads(key: NetworkKey) -> set[NetworkKey]:
        if key.method == "one_shot" or (key.method == "iterative" and key.round == 1):
            return {NetworkKey(0, "dense", 0)}
        return {NetworkKey(0, "iterative", key.round - 1)} if key.method == "iterative" else set()

    missing: set[NetworkKey] = set()
    while True:
        more = {
            key
            for key, (done, final, best) in state.items()
            if not done
            or ("final" in options.keep and not final)
            or ("best" in options.keep and not best)
            or (not final and any(key in reads(other) for other in missing))
        }
        if more <= missing:
            break
        missing |= more
    assert finished_keys(options, run) == [key for key in keys if key not in missing]
