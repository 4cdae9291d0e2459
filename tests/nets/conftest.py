"""Fixtures for the two implementations of the recurrent layers."""

from collections.abc import Iterator

import pytest

from app.nets.recurrent import RecurrentLayer


@pytest.fixture(scope="module", params=["fused", "eager"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """The fused implementation, with its hand-written gradient, and the eager one, with autograd."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecurrentLayer, "implementation", request.param)
        yield request.param
