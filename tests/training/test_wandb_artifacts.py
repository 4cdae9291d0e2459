"""Tickets as W&B artifacts: what is logged offline, and that it can be loaded again anywhere."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb
from helpers import wandb_offline
from helpers.tiny_lottery import TinyNet, lottery

from app.common.errors import UserError
from app.runs.layout import TrainingLayout
from app.runs.network_report import read_report
from app.runs.ticket import load_ticket
from app.training.rounds_wandb_logger import RoundsWandbLogger
from app.training.wandb_artifacts import best_of
from app.training.wandb_files import _records


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        patch.setenv("WANDB_DATA_DIR", str(root.parent / "staged"))
        run = lottery(root, make_loggers=lambda: [RoundsWandbLogger(artifacts=True)])
        try:
            run.run()
        finally:
            run.train.loggers.finish()
            wandb.teardown()
    return root


@pytest.fixture(scope="module")
def artifacts(drawn: Path) -> dict[int, dict[str, Any]]:
    """The artifacts of the iterative run, by round."""
    found = [
        record["artifact"]
        for path in wandb_offline.files(drawn)
        for record in wandb_offline.records(path)
        if record["type"] == "artifact" and record["artifact"]["name"] == "tiny-replicate_0-iterative"
    ]
    read = [{**artifact, "metadata": json.loads(artifact["metadata"])} for artifact in found]
    return {artifact["metadata"]["round"]: artifact for artifact in read}


def test_every_ticket_is_an_artifact_with_its_lineage(artifacts: dict[int, dict[str, Any]], drawn: Path) -> None:
    assert sorted(artifacts) == [1, 2]
    for round_, artifact in artifacts.items():
        report = read_report(TrainingLayout(drawn / f"replicate_0/iterative/round_{round_:02d}"))
        metadata = artifact["metadata"]
        assert artifact["type"] == "ticket"
        assert f"round-{round_:02d}" in artifact["aliases"]
        assert metadata["density"] == report["density"]
        assert (metadata["mask"], metadata["start"]) == (report["checksums"]["mask"], report["checksums"]["start"])
        assert metadata["data"] == ["made up  blobs"]
    assert "best" in artifacts[1]["aliases"]  # the first has none before it
    assert "parent" not in artifacts[1]["metadata"]
    assert artifacts[2]["metadata"]["parent"] == "tiny-replicate_0-iterative:round-01"
    assert artifacts[2]["metadata"]["parent_mask"] == artifacts[1]["metadata"]["mask"]


def test_it_is_loaded_again_without_the_run_directory(
    artifacts: dict[int, dict[str, Any]], drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Kept:
        """What `wandb.Api().artifact(...)` gives, of the files that wait to be uploaded."""

        def download(self) -> str:
            for file in artifacts[2]["manifest"]["contents"]:
                shutil.copy(file["local_path"], tmp_path / file["path"])
            return str(tmp_path)

    class Api:
        def artifact(self, name: str, type: str) -> Kept:
            asked.append((name, type))
            return Kept()

    monkeypatch.setattr(wandb, "Api", Api)
    ours, theirs = TinyNet(), TinyNet()
    masks = load_ticket("wandb:me/trees-and-tickets/tiny-replicate_0-iterative:round-02", ours)
    assert asked == [("me/trees-and-tickets/tiny-replicate_0-iterative:round-02", "ticket")]
    expected = load_ticket(drawn / "replicate_0/iterative/round_02", theirs)
    assert {name: mask.tolist() for name, mask in masks.items()} == {n: m.tolist() for n, m in expected.items()}
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=0)


def test_what_wandb_does_not_give_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> None:
        raise wandb.errors.UsageError("no API key\nconfigured")

    monkeypatch.setattr(wandb, "Api", refuse)
    with pytest.raises(UserError, match=r"^wandb:me/a:b: W&B does not give it \(no API key configured\); expected"):
        load_ticket("wandb:me/a:b", TinyNet())

    class Other:
        def artifact(self, name: str, type: str) -> "Other":
            return self

        def download(self) -> str:
            return str(tmp_path)

    monkeypatch.setattr(wandb, "Api", Other)
    with pytest.raises(UserError, match=r"^wandb:me/a:b: the artifact has no ticket.safetensors"):
        load_ticket("wandb:me/a:b", TinyNet())


def test_best() -> None:
    assert best_of([1.0], "min") == 0
    assert best_of([1.0, 0.5], "min") == 1
    assert best_of([1.0, 0.5], "max") == 0
    assert best_of([1.0, 1.0], "min") == 0
    assert best_of([float("nan"), 1.0, float("nan")], "min") == 1
    assert best_of([float("nan")], "max") is None


def logged(root: Path) -> list[tuple[str, int, list[str]]]:
    """Name, round and aliases of all tickets that the files of a lottery hold."""
    found = [
        record["artifact"]
        for path in wandb_offline.files(root)
        for record in wandb_offline.records(path)
        if record["type"] == "artifact"
    ]
    return [
        (each["name"], json.loads(each["metadata"])["round"], sorted(each["aliases"]))
        for each in found
        if each["type"] == "ticket"
    ]


def cut_before_tickets(path: Path) -> int:
    """Cut a file off before its first ticket, as a kill may do; return how many rows it still has."""
    data, end_before = path.read_bytes(), 0
    for end, payload in _records(data):
        if b"ticket.safetensors" in payload:
            path.write_bytes(data[:end_before])
            break
        end_before = end
    return len(wandb_offline.history(path))


def test_tickets_that_a_kill_has_lost_are_logged_once_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staged"))
    root = tmp_path / "tiny"

    def draw(rounds: int) -> None:
        run = lottery(root, make_loggers=lambda: [RoundsWandbLogger(artifacts=True)], rounds=rounds)
        try:
            run.run()
            run.train.loggers.finish()
            run.train.loggers.complete()
        finally:
            wandb.teardown()

    draw(1)
    names = {"dense": "tiny-replicate_0-dense", "iterative": "tiny-replicate_0-iterative"}
    assert [(name, round_) for name, round_, _ in logged(root)] == [(names["dense"], 0), (names["iterative"], 1)]
    for path in wandb_offline.files(root):
        assert cut_before_tickets(path) > 0
    assert logged(root) == []

    draw(2)  # goes on with the iterative tickets, and finds that the dense network's is missing
    found = logged(root)
    assert sorted((name, round_) for name, round_, _ in found) == [
        (names["dense"], 0),
        (names["iterative"], 1),
        (names["iterative"], 2),
    ]
    assert sum("best" in aliases for name, _, aliases in found if name == names["iterative"]) == 1
    files = wandb_offline.files(root)
    draw(2)
    assert wandb_offline.files(root) == files, "nothing is missing, and nothing is logged"
