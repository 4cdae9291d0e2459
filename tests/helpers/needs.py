"""Marks of tests that need what not every machine has; the markers are registered in pyproject.toml."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., object])
DATA = Path(os.environ.get("TREES_TICKETS_DATA", "nowhere"))


def needs_data(*places: str) -> Callable[[Test], Test]:
    """Mark a test `data`, and skip it unless TREES_TICKETS_DATA names a folder with one of these folders or files."""
    there = any((DATA / place).exists() for place in places)
    skipped = pytest.mark.skipif(not there, reason=f"needs {places[0]} in the folder TREES_TICKETS_DATA")
    return lambda test: pytest.mark.data(skipped(test))
