"""docs/scores.md has a row for every score, scope and method at initialisation."""

import re
from pathlib import Path

from app.lottery.methods import METHODS, AtInitialisation
from app.pruning import SCORES
from app.pruning.pools import SCOPES

PAGE = (Path(__file__).resolve().parents[2] / "docs/scores.md").read_text()


def test_every_name_has_a_row() -> None:
    rows = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    at_initialisation = {name for name, method in METHODS.items() if issubclass(method, AtInitialisation)}
    assert set(re.findall(r"`(\w+)`", rows)) == {*at_initialisation, *SCORES, *SCOPES}
