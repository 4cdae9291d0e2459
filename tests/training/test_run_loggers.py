"""A lottery in W&B: which runs there are, what each holds, and what arrives of them with `wandb sync`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from helpers import wandb_offline
from helpers.tiny_lottery import ITERATIONS, lottery
from helpers.wandb_server import served

from app.common.errors import Interrupted
from app.runs.table import Result, read_metrics, read_results
from app.training.rounds_wandb_logger import RoundsWandbLogger

OPTIONS: dict[str, Any] = {"methods": ["iterative", "one_shot"], "random_reinit": 2}
# Runs and the rounds that they train.
RUNS = {
    "dense": [0],
    "iterative": [1, 2],
    "one_shot": [1, 2],
    "random_reinit/0": [1, 2],
    "random_reinit/1": [1, 2],
}
README = Path(__file__).resolve().parents[2] / "README.md"


def draw(root: Path, *, killed_after: int | None = None) -> None:
    """Draw the lottery with W&B's logger, in part if it is killed."""
    drawn = lottery(root, make_loggers=lambda: [RoundsWandbLogger()], **OPTIONS)
    train, left = drawn.train, [killed_after]

    def trained(job: Any) -> Result:
        if left[0] == 0:
            raise Interrupted
        left[0] = None if left[0] is None else left[0] - 1
        return train(job)

    object.__setattr__(drawn, "train", trained)
    try:
        drawn.run()
        train.loggers.finish()
        train.loggers.complete()
    except Interrupted:
        train.loggers.finish()
    finally:
        wandb.teardown()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lottery that was killed after five networks, when W&B had written one file in part, and another not at all."""
    root = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        draw(root, killed_after=5)
        of = {wandb_offline.run(path)["display_name"].partition("/")[2]: path for path in wandb_offline.files(root)}
        data = of["iterative"].read_bytes()
        of["iterative"].write_bytes(data[: len(data) * 2 // 3])
        of["dense"].write_bytes(of["dense"].read_bytes()[:7])
        draw(root)
        assert "WANDB_SERVICE" not in os.environ
        yield root


@pytest.fixture(scope="module")
def uploaded(drawn: Path) -> dict[str, list[dict[str, Any]]]:
    """The history of every run, by its name, as a server has it after the README's line."""
    line = re.search(r"^wandb sync runs/EXPERIMENT/(\S+)$", README.read_text(), re.MULTILINE)
    assert line is not None
    with served() as server:
        environment = {"WANDB_BASE_URL": server.address, "WANDB_API_KEY": "a" * 40, "WANDB_ERROR_REPORTING": "false"}
        command = f"{sys.executable} -m wandb sync {drawn}/{line[1]}"
        options: dict[str, Any] = {"cwd": drawn.parent, "env": {**os.environ, **environment}}  # it writes logs there
        subprocess.run(command, shell=True, check=True, capture_output=True, **options)
        return {run.described["displayName"].partition("/")[2]: run.history for run in server.runs.values()}


def test_one_run_per_replicate_method_and_branch(drawn: Path) -> None:
    runs = {wandb_offline.run(path)["display_name"]: wandb_offline.run(path) for path in wandb_offline.files(drawn)}
    assert set(runs) == {f"replicate_0/{name}" for name in RUNS}
    assert len({run["run_id"] for run in runs.values()}) == len(RUNS)
    assert {run["run_group"] for run in runs.values()} == {"tiny"}
    for name, run in runs.items():
        method = name.split("/")[1]
        assert run["job_type"] == run["config"]["update"]["method"] == method
    reinit = runs["replicate_0/random_reinit/1"]
    assert "fresh weights" in reinit["notes"]
    told = reinit["config"]["update"]
    assert told["branch"] == 1
    assert told["versions"].keys() >= {"torch", "lightning", "python"}
    assert told["seeds"].keys() == {"initialisation", "split", "order", "training"}
    assert (told["data_checksums"], told["parameters"]) == (["made up  blobs"], 4 * 12 + 12 + 2 * 12 + 12 * 3 + 3)


@pytest.mark.parametrize("name", RUNS)
def test_every_row_arrives_once(uploaded: dict[str, list[dict[str, Any]]], drawn: Path, name: str) -> None:
    rows = [row for row in uploaded[name] if "val_loss" in row]
    steps = [row["trainer/global_step"] for row in uploaded[name] if "trainer/global_step" in row]
    assert steps == sorted(steps)
    assert [(row["round"], row["iteration"]) for row in rows] == [
        (round_, iteration) for round_ in RUNS[name] for iteration in range(0, ITERATIONS + 1, 4)
    ]
    method, _, branch = name.partition("/")
    for round_ in RUNS[name]:
        folder = {"dense": "round_00", "random_reinit": f"iterative/round_{round_:02d}/random_reinit_{branch}"}
        path = drawn / "replicate_0" / folder.get(method, f"{method}/round_{round_:02d}") / "metrics.csv"
        for row, ours in zip([row for row in rows if row["round"] == round_], read_metrics(path), strict=True):
            assert row["val_loss"] == pytest.approx(ours["val_loss"])
            assert row["test_accuracy"] == pytest.approx(ours["test_accuracy"])


@pytest.mark.parametrize("name", RUNS)
def test_curves_over_density_begin_with_the_dense_network(
    uploaded: dict[str, list[dict[str, Any]]], drawn: Path, name: str
) -> None:
    rows = {(row.method, row.round, row.branch): row for row in read_results(drawn / "results.csv")}
    summaries = [row for row in uploaded[name] if "round/density" in row]
    assert [row["round/round"] for row in summaries] == [0, *(round_ for round_ in RUNS[name] if round_)]
    for summary in summaries:
        method, _, branch = name.partition("/") if summary["round/round"] else ("dense", "", "")
        row = rows[method, summary["round/round"], int(branch or 0)]
        assert summary["round/density"] == pytest.approx(row.density)
        assert summary["round/early_stop_test_accuracy"] == pytest.approx(row.value("early_stop_test_accuracy"))
        assert summary["round/early_stop_iteration"] == row.early_stop_iteration


def test_the_same_command_again_begins_no_run(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    before = wandb_offline.files(drawn)
    draw(drawn)
    assert wandb_offline.files(drawn) == before


def test_tables_of_all_rounds(drawn: Path) -> None:
    """Densities by layer, and learning curves by density, of the dense network and all rounds."""
    path = next(
        path
        for path in reversed(wandb_offline.files(drawn))
        if wandb_offline.run(path)["display_name"] == "replicate_0/one_shot"
    )
    tables = {
        record["artifact"]["name"].split("-", 2)[2]: record["artifact"]["manifest"]["contents"]
        for record in wandb_offline.records(path)
        if record["type"] == "artifact"
    }
    found = {
        name: json.loads(Path(file["local_path"]).read_text())
        for name, contents in tables.items()
        for file in contents
        if file["path"].endswith(".table.json")
    }
    layers = found["densities_by_layer"]
    assert layers["columns"] == ["round", "density", "layer", "kind", "weights", "survivors", "layer_density"]
    fc = {row[0]: row for row in layers["data"] if row[2] == "net.fc.weight"}
    assert [(row[5], row[6]) for row in fc.values()] == [(48, 1.0), (36, 0.75), (27, 27 / 48)]
    (curves,) = (table for name, table in found.items() if "test_accuracy" in table["columns"])
    assert curves["columns"] == ["density", "iteration", "test_accuracy"]
    assert [row[1] for row in curves["data"]] == 3 * [*range(0, ITERATIONS + 1, 4)]
    assert len({row[0] for row in curves["data"]}) == 3
