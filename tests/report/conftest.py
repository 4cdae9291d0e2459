from pathlib import Path

import pytest
from helpers.fits import write_fit, write_parse
from helpers.made_up_run import write_run


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are composed, but not painted, which takes most of the time of a report: for tests of all else in it.

    The page has no library.
    """
    monkeypatch.setattr("app.plotting.canvas.render", lambda figure, kind: f"<svg>{kind}</svg>".encode())
    monkeypatch.setattr("app.report.page.javascript", lambda: "")


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Like the quickstart: 6 rounds, 2 replicates, one control. Read only."""
    root = tmp_path_factory.mktemp("runs") / "small"
    write_run(root, rounds=6, replicates=2, reinits=1)
    return root


@pytest.fixture(scope="session")
def large_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 rounds, 5 replicates, every method. Read only."""
    root = tmp_path_factory.mktemp("runs") / "large"
    write_run(root, rounds=20, replicates=5, methods=("iterative", "one_shot"), reinits=1, masks=1, every=250)
    return root


@pytest.fixture(scope="session")
def fits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments, one of them of three seeds, of which one has not got far. Read only."""
    root = tmp_path_factory.mktemp("fits")
    for seed, validations in ((0, 8), (1, 8), (10, 3)):
        write_fit(root, "many", seed, validations)
    write_parse(write_fit(root, "one", 4, 5, layers=3, parsed=2))
    return root
