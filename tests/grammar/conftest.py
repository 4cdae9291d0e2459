"""Fixtures that read a grammar from a text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.grammar.pcfg import PCFG
from app.grammar.reading import read_pcfg


@pytest.fixture(scope="session")
def grammar_file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("grammar") / "some.pcfg"


@pytest.fixture(scope="session")
def read(grammar_file) -> Callable[[str], PCFG]:
    """Reads a grammar from a text."""

    def from_text(text: str) -> PCFG:
        grammar_file.write_text(text)
        return read_pcfg(grammar_file)

    return from_text
