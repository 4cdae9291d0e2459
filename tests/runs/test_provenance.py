"""Where results come from."""

from importlib.metadata import PackageNotFoundError, version

import pytest

from app import __version__
from app.runs import provenance


def test_a_checkout_that_is_not_installed_knows_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(name: str) -> str:
        if name == "trees-and-tickets":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(provenance, "version", installed)
    assert provenance.versions()["trees-and-tickets"] == __version__
