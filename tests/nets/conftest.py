"""Both ways to read a sequence."""

from collections.abc import Iterator

import pytest

from app.nets.recurrent import RecurrentLayer


@pytest.fixture(scope="module", params=["fused", "eager"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Layers read with a gradient by hand, and with autograd's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecurrentLayer, "implementation", request.param)
        yield request.param
