"""`fit` with an experiment's name: a run directory, which the same command goes on with."""

import csv
import json
import os
import random
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers.command import in_process, start
from helpers.tiny_text import write_tiny_text
from helpers.waiting import wait_until
from lightning.pytorch import Trainer

from callbacks import resume_checkpoint

KILLS = int(os.environ.get("TREES_TICKETS_KILLS", "1"))
FIT = ("fit", "--config", "tiny.yaml")
RUN = "tiny/seed_3"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the texts and a finished training in runs/."""
    directory = tmp_path_factory.mktemp("fit")
    write_tiny_text(directory)
    done = in_process(*FIT, cwd=directory)
    assert done.returncode == 0, done.stderr
    assert "best at iteration" in done.stdout
    assert "val_perplexity" in done.stdout
    assert not done.stderr
    return directory


def rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv") as file:
        return list(csv.DictReader(file))


def flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: leaf for part, inner in value.items() for key, leaf in flat(inner, f"{name}/{part}").items()}
    if isinstance(value, list | tuple):
        return flat(dict(enumerate(value)), name)
    return {name: value}


def bits(run: Path) -> dict[str, Any]:
    """Everything that was promised to be the same: metrics, weights, averages, optimiser, position, random numbers."""
    found: dict[str, Any] = {"metrics.csv": (run / "metrics.csv").read_text()}
    for name in ("last.ckpt", "best.ckpt"):
        found |= flat(torch.load(run / name, weights_only=True), name)
    # The clock, and where the run directory lies.
    elsewhere = ("seconds", "validation_seconds", "_path", "dirpath", "best_k_models")
    return {name: value for name, value in found.items() if not any(part in name for part in elsewhere)}


def different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    def same(a: Any, b: Any) -> bool:
        return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else repr(a) == repr(b)

    keys = one.keys() | other.keys()
    return sorted(key for key in keys if key not in one or key not in other or not same(one[key], other[key]))


def test_what_a_run_directory_holds(finished: Path) -> None:
    run = finished / "runs" / RUN
    assert {path.name for path in run.iterdir()} == {
        *("config.yaml", "schema.json", "checksums.json", "metrics.csv", "report.json"),
        *("last.ckpt", "best.ckpt"),
    }
    found = rows(run)
    assert len(found) == 6
    assert list(found[0]) == [
        *("iteration", "train_loss", "val_loss", "val_perplexity", "val_loss_exact", "val_perplexity_exact"),
    ]
    losses = [float(row["val_loss"]) for row in found]
    assert min(losses) < losses[0], "it learns nothing"
    report = json.loads((run / "report.json").read_text())
    assert report["seed"] == 3
    assert set(report["checksums"]["data"]) == {"train.txt", "valid.txt", "test.txt"}
    assert report["versions"]["torch"]
    assert set(report["kernels"]) == {
        *("cpu", "libraries", "float32 products", "float32 convolutions"),
        *("softmax", "recurrent steps", "recurrent products"),
    }
    assert yaml.safe_load((run / "config.yaml").read_text())["kernels"] == [report["kernels"]]
    assert report["best"]["val_loss"] == min(losses)
    best = torch.load(run / "best.ckpt", weights_only=True)
    assert best["global_step"] == report["best"]["iteration"]
    assert set(best["vocabulary"]["words"]) == {
        *("<unk>", "<eos>", "the", "a", "cat", "dog", "mat", "sat", "on", "saw", "who", "N"),
    }


def test_averaging_has_begun(finished: Path) -> None:
    last = torch.load(finished / "runs" / RUN / "last.ckpt", weights_only=True)
    assert "live_weights" in last, "no trigger, so the tests here test no averages"


def test_the_same_command_again_changes_nothing(finished: Path) -> None:
    before = bits(finished / "runs" / RUN)
    again = in_process(*FIT, cwd=finished)
    assert again.returncode == 0, again.stderr
    assert not different(before, bits(finished / "runs" / RUN))


def test_longer_is_as_long_at_once(finished: Path) -> None:
    for epochs in ("3", "6"):
        done = in_process(*FIT, "--runs", "longer", "--trainer.max_epochs", epochs, cwd=finished)
        assert done.returncode == 0, done.stderr
    changed = different(bits(finished / "runs" / RUN), bits(finished / "longer" / RUN))
    assert not changed, changed


def test_another_configuration_is_refused(finished: Path) -> None:
    done = in_process(*FIT, "--model.alpha", "3", cwd=finished)
    assert done.returncode == 2
    assert "alpha: 1.0 -> 3.0" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_one_that_never_began_can_be_begun_otherwise(finished: Path) -> None:
    wrong = in_process(*FIT, "--runs", "anew", "--model.vocabulary_size", "13", cwd=finished)
    assert wrong.returncode == 2
    assert "set model.init_args.vocabulary_size to 12" in wrong.stderr
    right = in_process(*FIT, "--runs", "anew", "--trainer.max_epochs", "1", cwd=finished)
    assert right.returncode == 0, right.stderr


def test_a_shorter_one_is_refused(finished: Path) -> None:
    done = in_process(*FIT, "--trainer.max_epochs", "2", cwd=finished)
    assert done.returncode == 2
    assert "is past trainer.max_epochs 2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_stops_early_is_finished(finished: Path) -> None:
    """And the same command again does not go on with it."""
    stop = "lightning.pytorch.callbacks.EarlyStopping"
    early = ("--runs", "early", "--trainer.callbacks", stop, "--trainer.callbacks.monitor", "val_loss")
    early += ("--trainer.callbacks.patience", "1", "--trainer.callbacks.min_delta", "100", "--trainer.max_epochs", "9")
    seen = []
    for _ in range(2):
        done = in_process(*FIT, *early, cwd=finished)
        assert done.returncode == 0, done.stderr
        seen.append(bits(finished / "early" / RUN))
    assert len(rows(finished / "early" / RUN)) == 2
    assert not different(*seen)


def test_a_damaged_checkpoint_is_one_line_with_a_remedy(finished: Path) -> None:
    shutil.copytree(finished / "runs", finished / "damaged")
    last = finished / "damaged" / RUN / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    done = in_process(*FIT, "--runs", "damaged", "--trainer.max_epochs", "7", cwd=finished)
    assert done.returncode == 2
    assert "last.ckpt: damaged" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_checkpoint_that_is_not_what_was_written_is_named(finished: Path, tmp_path: Path, name: str) -> None:
    """A bit in the midst of the weights: torch would read other ones."""
    shutil.copytree(finished, tmp_path / "there")
    path = Path("runs") / RUN / name
    content = bytearray((tmp_path / "there" / path).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "there" / path).write_bytes(bytes(content))
    for command in ((*FIT, "--trainer.max_epochs", "7"), ("test", "--ckpt_path", str(path))):
        done = in_process(*command, cwd=tmp_path / "there")
        assert done.returncode == 2, done.stdout
        assert done.stderr.startswith(f"error: {path}: damaged, or another file than was written there (its SHA-256 is")
        assert len(done.stderr.splitlines()) == 1
    assert f"delete {path.parent}/last.ckpt, and the same fit command trains this network again" in done.stderr
    (tmp_path / "there" / path.parent / "last.ckpt").unlink()
    done = in_process(*FIT, cwd=tmp_path / "there")
    assert done.returncode == 0, done.stderr
    assert not different(bits(finished / "runs" / RUN), bits(tmp_path / "there/runs" / RUN))


def test_an_edited_table_is_not_reported(finished: Path, tmp_path: Path) -> None:
    there = shutil.copytree(finished, tmp_path / "there")
    table, run = there / "runs" / RUN / "metrics.csv", f"runs/{RUN}"
    lines = table.read_text().splitlines(keepends=True)
    for damaged in (lines[:-1], [*lines[:-1], lines[-1].replace(",", ",0")]):
        table.write_text("".join(damaged))
        for command in ((*FIT, "--trainer.max_epochs", "7"), ("report", run)):
            done = in_process(*command, cwd=there)
            assert done.returncode == 2, done.stdout
            assert done.stderr.startswith(f"error: {run}/metrics.csv: damaged, or another file than was written there")
            assert len(done.stderr.splitlines()) == 1


def test_a_damaged_report_is_written_again(finished: Path, tmp_path: Path) -> None:
    there = shutil.copytree(finished, tmp_path / "there")
    report, run = there / "runs" / RUN / "report.json", f"runs/{RUN}"
    before = json.loads(report.read_text())
    report.write_text(report.read_text()[:-10])
    done = in_process("report", run, cwd=there)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith(f"error: {run}/report.json: not the report of a training (not JSON")
    assert f"delete {run}/report.json, and the same fit command writes it again" in done.stderr
    report.unlink()
    done = in_process(*FIT, cwd=there)
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text()) == before
    assert not different(bits(finished / run), bits(there / run))


def test_a_missing_best_checkpoint_is_not_replaced_by_the_last(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "there")
    (tmp_path / "there/runs" / RUN / "best.ckpt").unlink()
    for command in ((*FIT, "--trainer.max_epochs", "7"), ("test", f"runs/{RUN}")):
        done = in_process(*command, cwd=tmp_path / "there")
        assert done.returncode == 2, done.stdout
        assert done.stderr.startswith(f"error: runs/{RUN}/best.ckpt: no such file; delete runs/{RUN}/last.ckpt, and")
        assert len(done.stderr.splitlines()) == 1


def test_other_text_is_refused_by_name(finished: Path, tmp_path: Path) -> None:
    there = shutil.copytree(finished, tmp_path / "there")
    before = {path: path.read_bytes() for path in (there / "runs" / RUN).glob("[!.]*.*")}
    text = (there / "train.txt").read_text().replace("cat", "dog", 3)
    (there / "train.txt").write_text(text)
    for more in ((), ("--trainer.max_epochs", "7")):
        done = in_process(*FIT, *more, cwd=there)
        assert done.returncode == 2, done.stdout
        assert done.stderr.startswith(f"error: runs/{RUN} was begun with other data (train.txt: SHA-256 ")
        assert len(done.stderr.splitlines()) == 1
    assert {path: path.read_bytes() for path in before} == before


def test_it_goes_on_from_the_checkpoint_before_a_damaged_one(finished: Path) -> None:
    done = in_process(*FIT, "--runs", "before", "--trainer.max_epochs", "3", cwd=finished)
    assert done.returncode == 0, done.stderr
    last = finished / "before" / RUN / "last.ckpt"
    last.with_name("checksums.json").unlink()  # as in the midst of a training
    last.rename(last.with_name("previous.ckpt"))
    last.write_bytes(b"")
    done = in_process(*FIT, "--runs", "before", cwd=finished)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"warning: before/{RUN}/last.ckpt: not a checkpoint")
    assert done.stderr.endswith("goes on from the checkpoint before it\n")
    changed = different(bits(finished / "runs" / RUN), bits(finished / "before" / RUN))
    assert not changed, changed
    assert not last.with_name("previous.ckpt").exists()


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_run_elsewhere_keeps_its_best(finished: Path, tmp_path: Path, how: str) -> None:
    """The seventh epoch is worse than the best before; and a copy leaves the original alone."""
    longer = ("--trainer.max_epochs", "7")
    for name in ("train.txt", "valid.txt", "test.txt", "tiny.yaml"):
        shutil.copy(finished / name, tmp_path)
    there = shutil.copytree(finished / "runs/tiny", tmp_path / "runs/tiny")
    done = in_process(*FIT, *longer, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = bits(there / "seed_3")
    shutil.rmtree(there)
    shutil.copytree(finished / "runs/tiny", tmp_path / "original/tiny")
    elsewhere = tmp_path / "elsewhere/renamed"
    (shutil.move if how == "moved" else shutil.copytree)(tmp_path / "original/tiny", elsewhere)
    done = in_process(*FIT, *longer, "--runs", "elsewhere", "--experiment", "renamed", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert not different(bits(elsewhere / "seed_3"), expected)
    report = json.loads((elsewhere / "seed_3/report.json").read_text())
    assert report["best"]["val_loss"] < report["last"]["val_loss"]
    best = torch.load(elsewhere / "seed_3/best.ckpt", weights_only=True)
    assert best["global_step"] == report["best"]["iteration"]
    assert how == "moved" or not different(bits(tmp_path / "original/tiny/seed_3"), bits(finished / "runs" / RUN))


@pytest.mark.slow
def test_killed_at_random_instants(finished: Path) -> None:
    """Within epochs, around the trigger of NT-ASGD, while saving."""
    expected = bits(finished / "runs" / RUN)
    rng, checkpoints = random.Random(11), 0
    runs = ("--runs", "killed", "--checkpoint_seconds", "0.001")
    for _ in range(KILLS):
        process = start(*FIT, *runs, cwd=finished)
        last = finished / "killed" / RUN / "last.ckpt"
        before = _changed(last)
        wait_until(partial(_is_other, last, before), process)
        time.sleep(rng.uniform(0, 1.5 / KILLS))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        checkpoints += (finished / "killed" / RUN / "last.ckpt").exists()
    assert checkpoints, "no kill left a checkpoint to resume from, so this has tested nothing"
    done = in_process(*FIT, *runs, cwd=finished)
    assert done.returncode == 0, done.stderr
    changed = different(expected, bits(finished / "killed" / RUN))
    assert not changed, changed


def _is_other(path: Path, before: int) -> bool:
    return _changed(path) != before


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def test_ctrl_c_says_how_to_go_on(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = resume_checkpoint.save_atomically

    def save_and_press(trainer: Trainer, path: Path, **options: Any) -> None:
        save(trainer, path, **options)
        monkeypatch.undo()
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(resume_checkpoint, "save_atomically", save_and_press)
    done = in_process(*FIT, "--runs", "stopped", "--checkpoint_seconds", "0.001", cwd=finished)
    assert done.returncode == 130
    assert "the same command goes on from here" in done.stderr
    assert (finished / "stopped" / RUN / "last.ckpt").exists()
