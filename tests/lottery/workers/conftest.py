"""What a lottery of several processes is compared with."""

import pytest
from helpers.command import in_process
from helpers.workers import TINY, bits


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What one process makes of it."""
    directory = tmp_path_factory.mktemp("one")
    done = in_process(*TINY, cwd=directory)
    assert done.returncode == 0, done.stderr
    found = bits(directory / "runs/tiny")
    assert len(found["results.csv"]) == 2 * 7
    return found
