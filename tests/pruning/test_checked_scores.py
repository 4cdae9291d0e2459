"""What a score returns is checked, and what it is given is a copy."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from app.common.errors import RunError, UserError
from app.pruning import Magnitude, Score
from app.pruning.scores import checked_scores


class Made(Score):
    """A score from a function of its arguments."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make

    def __call__(self, weights: Any, starting_weights: Any, masks: Any, gradients: Any) -> Any:
        return self.make(weights, starting_weights, masks)


def ask(score: Score, weights: Tensor | None = None) -> dict[str, Tensor]:
    weights = torch.tensor([[1.0, -2.0]]) if weights is None else weights
    masks = {"w": torch.tensor([[True, False]])}
    return checked_scores(score, {"w": weights}, {"w": weights.clone(), "b": torch.zeros(1)}, masks, dict)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda w, s, m: w["fc1"], r"pruning\.score: test_checked_scores\.Made: KeyError: 'fc1' \(test_checked_scores"),
        (lambda w, s, m: s["b"], "KeyError: 'b'"),
        (lambda w, s, m: 3, "returned int; expected a tensor by weight name"),
        (lambda w, s, m: {}, "has NoneType for w; expected a tensor of"),
        (lambda w, s, m: {"w": [1, 2]}, "has list for w"),
        (lambda w, s, m: {"w": w["w"].flatten()}, r"has shape \[2\] for w; expected a tensor of \[1, 2\]"),
    ],
    ids=range(6),
)
def test_what_a_score_gets_wrong_is_one_line(make: Callable[..., Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as raised:
        ask(Made(make))
    assert "\n" not in str(raised.value)


def test_a_score_that_is_not_finite_is_blamed_and_not_the_training() -> None:
    with pytest.raises(RunError, match=r"Made is not finite for some surviving weights of w"):
        ask(Made(lambda w, s, m: {"w": torch.tensor([[float("nan"), 1.0]])}))
    ask(Made(lambda w, s, m: {"w": torch.tensor([[1.0, float("nan")]])}))  # of a pruned weight it does not matter
    ask(Magnitude(), torch.tensor([[float("nan"), 1.0]]))  # the weights are to blame, which the ranking says


def test_a_score_cannot_change_the_ticket() -> None:
    start, masks = {"w": torch.ones(1, 2)}, {"w": torch.tensor([[True, True]])}

    def spoil(w: Any, s: Any, m: Any) -> Any:
        s["w"].zero_()
        m["w"].zero_()
        return {"w": w["w"].abs()}

    checked_scores(Made(spoil), {"w": torch.ones(1, 2)}, start, masks, dict)
    assert start["w"].all()
    assert masks["w"].all()
