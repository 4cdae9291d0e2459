"""Bytes and milliseconds of a lottery's tickets: against a count of combinations, and a file that is written."""

import json
import math
from pathlib import Path

import pytest
import safetensors.torch
from helpers.command import in_process
from helpers.workers import TINY

from app.runs.ticket import ticket_of
from app.runs.ticket_file import pack

ONE = (*TINY, "--pruning.replicates", "1", "--pruning.methods", "[iterative, one_shot]", "--pruning.rounds", "1")
ONE += ("--pruning.random_reinit", "1", "--trainer.logger", "false", "--trainer.max_steps", "4")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a lottery of one round in runs/tiny."""
    made = tmp_path_factory.mktemp("tickets")
    done = in_process(*ONE, "--trainer.val_check_interval", "2", cwd=made)
    assert done.returncode == 0, done.stderr
    return made


def test_every_round_is_measured(directory: Path) -> None:
    done = in_process("bench", "--tickets", "runs/tiny", "--json", "found.json", "--threads", "1", cwd=directory)
    assert done.returncode == 0, done.stderr
    assert "Tickets of tiny, iterative." in done.stdout
    rows = json.loads((directory / "found.json").read_text())["sections"]["tickets"]
    assert [row["round"] for row in rows] == [0, 1]
    for row, network in zip(rows, ("round_00", "iterative/round_01"), strict=True):
        ticket = ticket_of(directory / "runs/tiny/replicate_0" / network, "final")
        sizes = [(mask.numel(), int(mask.sum())) for mask in ticket.masks.values()]
        limit = sum(math.log2(math.comb(*size)) for size in sizes) / 8
        rest = sum(value.nbytes for name, value in ticket.state.items() if name not in ticket.masks)
        assert row["limit_bytes"] == pytest.approx(limit)
        assert row["least_bytes"] == pytest.approx(limit + rest + 4 * sum(kept for _, kept in sizes))
        assert row["dense_bytes"] == rest + 4 * sum(whole for whole, _ in sizes)
        data = pack(ticket.masks, ticket.state)
        assert row["file_bytes"] == len(data)
        assert row["masks_bytes"] == safetensors.torch.load(data)["ticket:masks"].nbytes
        assert min(row["sparse_seconds"] + row["dense_seconds"]) > 0
        assert f"{100 * row['density']:.2f} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tickets", "nowhere"], "nowhere: no finished tickets of a lottery there; name its directory, as in runs/X"),
        (
            ["--tickets", "runs/tiny", "--only", "sparse"],
            "--tickets measures the tickets of a lottery alone; leave out",
        ),
    ],
)
def test_mistakes(arguments: list[str], says: str, directory: Path) -> None:
    refused = in_process("bench", *arguments, cwd=directory)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
