"""A lottery of a network with a tensor whose rows are of two kinds, or not pruned: every method keeps to them."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from helpers.tiny_lottery import TinyNet, lottery

from app.runs.layout import NetworkKey, RunLayout
from app.runs.tensors import load_tensors

# 12 rows of 4 weights: 16 of the kind first, 12 that are not pruned, 20 of the kind last; 36 in output.
SPARED = slice(4, 7)
COUNTS = {"first": [16, 8, 4], "last": [20, 15, 11], "output": [36, 32, 29]}  # 20 -> 15 -> 11.25; 36 -> 32.4 -> 28.8
CONTROLS = ["random_reinit", "random_mask", "shuffled_mask", "reshuffled", "same_sign"]


class Rows(TinyNet):
    def prunable_parameters(self) -> dict[str, str | Sequence[tuple[str | None, int]]]:  # type: ignore[override]
        return {"fc.weight": [("first", 4), (None, 3), ("last", 5)], "output.weight": "output"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    root = tmp_path_factory.mktemp("runs") / "rows"
    rates = {"first": 0.5, "last": 0.25, "output": 0.1}
    methods = ["iterative", "one_shot", "shuffled_mask", "reshuffled", "same_sign", "random_balanced", "random_at_init"]
    options = {"random_mask": 1, "random_reinit": 1, "keep": ["final", "start"]}
    lottery(root, net=Rows, rates=rates, methods=methods, **options).run()
    return RunLayout(root)


def tensors(run: RunLayout, method: str, round: int, file: str) -> dict[str, torch.Tensor]:
    of = "" if method in ("dense", "iterative", "one_shot", "random_at_init") else "iterative"
    return load_tensors(getattr(run.network(NetworkKey(0, method, round, of=of)), file))


@pytest.mark.parametrize("round", [1, 2])
@pytest.mark.parametrize("method", ["iterative", "one_shot", *CONTROLS])
def test_each_kind_has_its_count(run: RunLayout, method: str, round: int) -> None:
    mask = tensors(run, method, round, "mask")
    found = {"first": mask["net.fc.weight"][:4], "last": mask["net.fc.weight"][7:], "output": mask["net.output.weight"]}
    assert {kind: int(rows.sum()) for kind, rows in found.items()} == {kind: n[round] for kind, n in COUNTS.items()}
    assert mask["net.fc.weight"][SPARED].all()


@pytest.mark.parametrize("method", ["random_balanced", "random_at_init"])
def test_methods_with_counts_of_their_own_keep_to_what_is_pruned(run: RunLayout, method: str) -> None:
    mask = tensors(run, method, 2, "mask")
    assert mask["net.fc.weight"][SPARED].all()
    assert sum(int(each.sum()) for each in mask.values()) == 12 + sum(counts[2] for counts in COUNTS.values())


@pytest.mark.parametrize("method", ["reshuffled", "same_sign"])
def test_what_is_not_pruned_is_rewound(run: RunLayout, method: str) -> None:
    first, start = tensors(run, "dense", 0, "start"), tensors(run, method, 2, "start")
    assert start["net.fc.weight"][SPARED].equal(first["net.fc.weight"][SPARED])
    assert not start["net.fc.weight"].equal(tensors(run, "iterative", 2, "start")["net.fc.weight"])


def test_the_report_counts_what_is_pruned(run: RunLayout) -> None:
    report = json.loads(Path(run.network(NetworkKey(0, "iterative", 2)).report).read_text())
    assert report["density_prunable"] == pytest.approx((4 + 11 + 29) / (16 + 20 + 36))
    assert report["density"] == pytest.approx((4 + 11 + 29 + 12) / 84)
    assert report["parts"] == {
        "net.fc.weight[0:4]": {"kind": "first", "weights": 16, "survivors": 4},
        "net.fc.weight[7:12]": {"kind": "last", "weights": 20, "survivors": 11},
    }
