"""What CONTRIBUTING.md says of the rooms is what the arrows are."""

import re
from pathlib import Path

import pytest
from test_arrows import ARROWS

REPOSITORY = Path(__file__).resolve().parents[1]
GUIDE = (REPOSITORY / "CONTRIBUTING.md").read_text()


def rooms() -> dict[str, set[str]]:
    """The rooms of the table, with what they import."""
    found = {}
    for names, imports in re.findall(r"^\| ((?:`[\w/.]+`(?:, )?)+) \| .* \| ?([\w, ]*)\|$", GUIDE, re.MULTILINE):
        for name in re.findall(r"`([\w/]+)(?:\.py)?`", names):
            found[name.removeprefix("app/")] = {each.strip() for each in imports.split(",") if each.strip()}
    return found


def test_every_room_is_there() -> None:
    assert rooms().keys() == ARROWS.keys()


@pytest.mark.parametrize("room", sorted(ARROWS))
def test_its_arrows_are_drawn(room: str) -> None:
    assert rooms()[room] <= ARROWS[room]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\w\]\((?!http|#)([^)#]+)[^)]*\)", GUIDE))))
def test_links_lead_somewhere(link: str) -> None:
    assert (REPOSITORY / link).exists()
