import pytest

from app.common.errors import UserError
from app.pruning import When, rewind_iteration


@pytest.mark.parametrize(("text", "iteration"), [("0it", 0), ("500it", 500), ("2ep", 1834), ("0ep", 0)])
def test_moments_in_iterations(text: str, iteration: int) -> None:
    when = When.parse(text)
    assert when.iteration(917) == iteration
    assert str(when) == text


@pytest.mark.parametrize("text", ["", "5", "it", "-1it", "1.5ep", "5 it", "5its", "5it "])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UserError, match="500it"):
        When.parse(text)


def test_a_moment_beyond_the_training_is_refused() -> None:
    assert rewind_iteration("1ep", iterations=68, iterations_per_epoch=67) == 67
    with pytest.raises(UserError, match=r"2ep \(iteration 134\).*ends at iteration 134"):
        rewind_iteration("2ep", iterations=134, iterations_per_epoch=67)
