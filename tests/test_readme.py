"""What the README shows works as it stands there."""

import os
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from helpers.command import needs_digits
from lightning.pytorch.utilities.seed import isolate_rng

from app.__main__ import PUBLIC

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()


@needs_digits
@pytest.mark.filterwarnings("ignore")
def test_the_users_own_script_draws_tickets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (script,) = re.findall(r"```python\n(?!# mine\.py)(.*?)```", README, re.DOTALL)
    assert len([line for line in script.splitlines() if line and not line.startswith(("from", "import"))]) <= 10
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with isolate_rng(), mock.patch.dict(os.environ):
        exec(script, names)
    # Three prunings of 235200, 30000 and 1000 weights by 20, 20 and 10 %.
    assert [int(mask.sum()) for mask in names["pruning"].masks.values()] == [120422, 15360, 729]
    accuracies = [float(value) for value in re.findall(r"test_accuracy\D+([\d.]+)", capsys.readouterr().out)]
    assert len(accuracies) == 4
    assert min(accuracies) > 0.85


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\w\]\((?!http|#)([^)#]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert (REPOSITORY / link).exists()


def test_the_contents_are_the_headings() -> None:
    """In their order, each with the anchor that a heading of Markdown has."""
    headings = re.findall(r"^## (.+)$", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.MULTILINE)
    contents = README[: README.index("\n## ")]
    anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert re.findall(r"\[(.+?)\]\(#(.+?)\)", contents) == list(zip(headings, anchors, strict=True))


def test_every_subcommand_has_an_example() -> None:
    for command in PUBLIC:
        assert re.search(rf"python -m app {command}|`{command}`", README), command


def test_configurations_named_exist() -> None:
    for name in set(re.findall(r"configs/[\w/]+\.yaml", README)):
        assert (REPOSITORY / name).exists(), name
