"""Configurations, run directories and command lines that are damaged or made to do harm: one line, exit code 2."""

import re
from pathlib import Path

import pytest
import yaml
from helpers.command import SMALL, in_process, needs_digits
from helpers.fits import language_rows, write_notes, write_rows
from helpers.made_up_run import write_run

from app.report.provenance import read_provenance

pytestmark = needs_digits

DEEP = "[" * 100_000
BOMB = "a: &a [x, x]\n" + "".join(
    f"{n}: &{n} [*{o}, *{o}, *{o}, *{o}, *{o}]\n" for o, n in zip("abcdefghi", "bcdefghij", strict=True)
)


def refused(*arguments: str, cwd: Path, code: int = 2) -> str:
    done = in_process(*arguments, cwd=cwd)
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.rstrip("\n").isprintable()
    return done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00", r"line 1: not UTF-8"),
        ("experiment: Gänse".encode("latin-1"), r"line 1: not UTF-8 .*; save it as UTF-8"),
        (DEEP.encode(), r"not YAML \(.*(more than 100 levels\)|nesting depth)"),  # libyaml's own, in PyYAML 6.0.4
        (BOMB.encode(), r"not YAML \(more than 100,000 values"),
        (b"trainer:\n  max_steps: [1,", r"not YAML"),
        (rb'experiment: "a\0b"', r"experiment has the control character \\x00; remove it"),
    ],
    ids=["png", "latin-1", "deep", "bomb", "cut", "NUL"],
)
def test_a_configuration_file(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    (tmp_path / "outer.yaml").write_text("config: mine.yaml\n")
    found = refused("lottery", *SMALL, "--config", "outer.yaml", cwd=tmp_path)
    assert refused("lottery", *SMALL, "--config=mine.yaml", cwd=tmp_path) == found
    assert re.search(rf"^error: (.*/)?mine\.yaml(, |: ){says}", found), found
    assert not (tmp_path / "runs").exists()


def test_a_file_without_an_ending_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"\xff")
    assert "mine, line 1: not UTF-8" in refused("fit", "-c", "mine", cwd=tmp_path)


@pytest.mark.parametrize("argument", ["a\x1b[31m", "caf\udce9"])
def test_an_argument_that_is_no_text(argument: str, tmp_path: Path) -> None:
    found = refused("lottery", *SMALL, "--experiment", argument, cwd=tmp_path)
    assert re.search(r"the argument (a\\x1b\[31m|caf\\udce9) has the character \\(x1b|udce9)", found), found
    refused("status", argument, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


def lottery(root: Path) -> None:
    write_run(root, rounds=1, replicates=1)
    (root / "config.yaml").write_text("pruning:\n  rounds: 1\nexperiment: made-up\n")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff", "line 1: not UTF-8"),
        (DEEP.encode(), "not YAML"),
        (BOMB.encode(), "not YAML"),
        (b"pruning:\n  rounds: 1000000000\n", "pruning asks for 1,000,000,001 networks; the most are 1,000,000"),
        (b"pruning:\n  rounds: 1e9\n", "no lottery's configuration (rounds is '1e9', expected a whole number)"),
        (b"pruning:\n  rounds: .inf\n", "(rounds is inf, expected a whole number)"),
        (b"pruning:\n  replicates: 99999999999\n", "the most are 1,000,000"),
        (b"pruning:\n  methods: [nonesuch]\n", "nonesuch"),
        (b"? {pruning: 1}\n: 2\n", "not YAML"),
        (b"1: 2\n", "not a configuration"),
    ],
)
def test_status_of_a_damaged_configuration(content: bytes, says: str, tmp_path: Path) -> None:
    lottery(tmp_path / "runs/x")
    assert in_process("status", "runs/x", cwd=tmp_path).returncode == 0
    (tmp_path / "runs/x/config.yaml").write_bytes(content)
    assert says in refused("status", "runs/x", cwd=tmp_path)


@pytest.mark.parametrize("command", ["status", "report"])
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("results.csv", "iterative", "\x1b[31miterative"),
        ("results.csv", "iterative", "iterat\0ive"),
        ("results.csv", "val_loss", "val_\x9bloss"),
        ("schema.json", "Validation loss", r"\u001b]0;title\u0007"),
        ("schema.json", "Validation loss", r"\ud800"),
        ("schema.json", '"metrics"', DEEP),
        ("replicate_0/round_00/metrics.csv", "val_loss", "val_loss\x1b"),
    ],
    ids=range(7),
)
def test_control_characters_of_a_run_are_not_printed(
    name: str, old: str, new: str, command: str, tmp_path: Path
) -> None:
    lottery(tmp_path / "x")
    path = tmp_path / "x" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = in_process(command, "x", cwd=tmp_path)
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f]", done.stdout + done.stderr)
    if command == "report":
        assert done.returncode == 2
        assert re.search(rf"^error: x/{name}(, line|:)", done.stderr), done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": float("inf")},
        {"threads": float("inf")},
        {"parameters": float("nan")},
        {"versions": {"torch\x1b": "1"}},
        {"versions": []},
        {"kernels": 3},
        {"checksums": {"data": 3}},
    ],
    ids=str,
)
def test_a_report_json_that_was_edited(changes: dict[str, object], tmp_path: Path) -> None:
    root = tmp_path / "x/seed_0"
    write_notes(root)
    read_provenance(root / "report.json")
    write_rows(root, language_rows("x", 3))
    write_notes(root, **changes)
    assert "x/seed_0/report.json: " in refused("report", "x", cwd=tmp_path)


def test_a_configuration_of_ones_own_is_still_read(tmp_path: Path) -> None:
    """Aliases, texts of several lines and letters of any script are no harm."""
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump(
            {"experiment": "Gänse", "pruning": {"rounds": 0}, "trainer": {"max_steps": 2}}, allow_unicode=True
        )
    )
    arguments = ("--config", "mine.yaml", "--pruning.plan", "true")
    assert in_process("lottery", *SMALL, *arguments, cwd=tmp_path).returncode == 0
