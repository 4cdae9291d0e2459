"""The form in which a language model takes text from a data module."""

# T time, B batch. Time-major.

from typing import Protocol

from torch import Tensor


class TextWindow(Protocol):
    """A window of text, as data modules yield it.

    Args:
        inputs: int64 (T, B).
        targets: int64 (T, B), the word after each input.
        drawn: the length that was sampled for the window; T is less where the text ends before.
        bptt: the length for which the learning rate is given.
    """

    inputs: Tensor
    targets: Tensor
    drawn: int
    bptt: int
