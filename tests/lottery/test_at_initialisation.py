"""Pruning at initialisation in a lottery: counts, ranking over all layers, and the same bits again."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import TinyText, language_model
from helpers.tiny_lottery import everything, lottery
from torch import Tensor

from app.common.errors import UserError
from app.lottery.score_checks import check_scores
from app.lottery.settings import Pruning
from app.runs.layout import NetworkKey, RunLayout
from app.runs.tensors import load_tensors

INVERTED = {"class_path": "magnitude_at_init", "init_args": {"inverted": True}}
METHODS: list[Any] = ["iterative", "magnitude_at_init", "random_at_init", "snip", "grasp", "synflow", INVERTED]
ALL = {"rounds": 1, "methods": METHODS, "replicates": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    root = tmp_path_factory.mktemp("runs") / "at_initialisation"
    lottery(root, **ALL).run()
    return RunLayout(root)


def mask(run: RunLayout, method: str, replicate: int = 0, round: int = 1) -> Tensor:
    """Of all weights, in the order of their names."""
    found = load_tensors(run.network(NetworkKey(replicate, method, round)).mask)
    return torch.cat([found[name].flatten() for name in sorted(found)])


def test_the_total_is_the_tickets(run: RunLayout) -> None:
    for key in run.networks():
        if key.round:
            ticket = mask(run, "iterative", key.replicate, key.round)
            assert mask(run, key.method, key.replicate, key.round).sum() == ticket.sum()


def test_all_layers_are_ranked_together(run: RunLayout) -> None:
    initial = load_tensors(run.initial(0))
    weights = torch.cat([initial[name].flatten() for name in ("net.fc.weight", "net.output.weight")])
    order = weights.abs().argsort(descending=True)
    count = int(mask(run, "iterative").sum())
    assert set(mask(run, "magnitude_at_init").nonzero().flatten().tolist()) == set(order[:count].tolist())
    inverted = mask(run, "magnitude_at_init_inverted")
    assert set(inverted.nonzero().flatten().tolist()) == set(order[-count:].tolist())


def test_every_method_and_every_replicate_has_masks_of_its_own(run: RunLayout) -> None:
    names = ["magnitude_at_init", "random_at_init", "snip", "grasp", "synflow", "magnitude_at_init_inverted"]
    masks = {(method, replicate): mask(run, method, replicate) for method in names for replicate in (0, 1)}
    assert len({tuple(each.tolist()) for each in masks.values()}) == len(masks)


def test_a_process_that_trains_some_of_them_draws_the_same(run: RunLayout, tmp_path: Path) -> None:
    again = RunLayout(shutil.copytree(run.root, tmp_path / "again"))
    for method in ("random_at_init", "snip", "synflow"):
        shutil.rmtree(again.network(NetworkKey(1, method, 1)).root)
    lottery(again.root, **ALL).run()
    assert everything(again.root) == everything(run.root)


def test_they_need_no_iterative_tickets(tmp_path: Path) -> None:
    lottery(tmp_path, methods=["synflow"], scope="global", rates={"fc": 0.25, "output": 0.25}, rewind_to="2it").run()
    assert [int(mask(RunLayout(tmp_path), "synflow", round=round).sum()) for round in (1, 2)] == [63, 47]


def test_random_pruning_draws_anew_for_every_network(tmp_path: Path) -> None:
    lottery(tmp_path, rounds=1, score="random", replicates=2).run()
    first, second = (mask(RunLayout(tmp_path), "iterative", replicate, 1) for replicate in (0, 1))
    assert first.sum() == second.sum()
    assert not first.equal(second)


def test_a_network_that_cannot_be_ranked_is_refused_before_anything_is_trained() -> None:
    model, data = language_model(), TinyText()
    data.prepare()
    check_scores(Pruning(methods=["iterative", "snip"], score="snip"), model, data)
    for options, says in (
        ({"methods": ["synflow"]}, r"synflow cannot rank .*: a batch of training data begins with torch\.int64; this"),
        ({"score": "grasp"}, r"pruning\.score cannot rank .*: LanguageModel\.training_step calls no torch"),
    ):
        with pytest.raises(UserError, match=says) as raised:
            check_scores(Pruning(**options), model, data)
        assert "\n" not in str(raised.value)


def test_a_method_hands_its_arguments_on() -> None:
    settings = Pruning(methods=[{"class_path": "grasp", "init_args": {"temperature": 3.0}}])
    assert settings.all_methods[1].ranking().temperature == 3
    with pytest.raises(UserError, match="grasp: temperature is 0; expected"):
        Pruning(methods=[{"class_path": "grasp", "init_args": {"temperature": 0}}])
