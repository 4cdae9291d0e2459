"""`--model.softmax adaptive` on the command line: a ticket of such a model, and what is refused."""

from pathlib import Path

import pytest
from helpers.command import in_process
from helpers.tiny_text import write_tiny_text

from app.modules import LanguageModel
from app.nets import ONLSTM
from app.runs.layout import NetworkKey, RunLayout
from app.runs.ticket import load_ticket

OPTIONS = ("--config", "tiny.yaml", "--trainer.max_epochs", "1", "--trainer.logger", "false")
ADAPTIVE = ("--model.softmax", "adaptive")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("adaptive")
    write_tiny_text(made)
    lottery = ("lottery", *OPTIONS, *ADAPTIVE, "--experiment", "draw", "--pruning.rounds", "1")
    done = in_process(*lottery, cwd=made)
    assert done.returncode == 0, done.stderr
    return made


def test_its_matrices_are_pruned_as_an_output_layer(folder: Path) -> None:
    ticket = RunLayout(folder / "runs" / "draw").network(NetworkKey(0, "iterative", 1)).root
    net = ONLSTM(4, [8, 4], 2, dropout=0.1, weight_dropout=0.1)
    masks = load_ticket(ticket, LanguageModel(net, 12, softmax="adaptive"))
    assert {name for name in masks if name.startswith("decoder.")} == {
        *("decoder.head.clusters", "decoder.tail.0.0.weight", "decoder.tail.0.1.weight")
    }
    words = masks["decoder.tail.0.1.weight"]
    assert int(words.sum()) == words.numel() - round(0.1 * words.numel())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--model.softmax", "fast"), "model.softmax is fast; expected dense or adaptive"),
        (("--model.softmax_cutoffs", "[3]"), "softmax_cutoffs is given, and softmax is dense"),
        (
            (*ADAPTIVE, "--model.softmax_cutoffs", "[30]"),
            "softmax_cutoffs is [30]; expected ascending numbers from 1 to 11",
        ),
    ],
)
def test_mistakes_are_one_line(folder: Path, arguments: tuple[str, ...], reason: str) -> None:
    done = in_process("fit", *OPTIONS, *arguments, cwd=folder)
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
