"""Signs and sizes of the initial weights that survive, against those of all (Frankle & Carbin, appendix F)."""

import math

import numpy as np


def positive_share(initial: np.ndarray, mask: np.ndarray) -> float:
    """The share of survivors whose initial weight is above 0; nan where nothing survives.

    Args:
        initial: the weights before any training.
        mask: bool, of the same shape.
    """
    return _share((initial > 0) & mask, mask)


def relative_size(initial: np.ndarray, mask: np.ndarray) -> float:
    """The mean absolute initial weight of survivors over that of all; nan where nothing survives or all are 0.

    Args:
        initial: the weights before any training.
        mask: bool, of the same shape.
    """
    everything = float(np.abs(initial).mean(dtype=np.float64))
    if not mask.any() or everything == 0:
        return math.nan
    return float(np.abs(initial[mask]).mean(dtype=np.float64)) / everything


def kept_sign_share(initial: np.ndarray, final: np.ndarray, mask: np.ndarray) -> float:
    """The share of survivors whose trained weight has the sign of the initial one; nan where nothing survives.

    Args:
        initial: the weights before any training.
        final: the trained weights, of the same shape.
        mask: bool, of the same shape.
    """
    return _share((np.sign(initial) == np.sign(final)) & mask, mask)


def histogram(initial: np.ndarray, mask: np.ndarray, *, limit: float, bins: int) -> np.ndarray:
    """How many surviving initial weights lie in each of some bins of the same width.

    Args:
        initial: the weights before any training.
        mask: bool, of the same shape.
        limit: bins reach from −limit to limit; values beyond are counted in the outermost ones.
        bins: how many.

    Returns:
        Counts, of shape (bins,).
    """
    places = np.floor((initial[mask].astype(np.float64) / limit + 1) * (bins / 2)).astype(np.int64)
    return np.bincount(places.clip(0, bins - 1), minlength=bins)


def _share(chosen: np.ndarray, mask: np.ndarray) -> float:
    count = int(np.count_nonzero(mask))
    return int(np.count_nonzero(chosen)) / count if count else math.nan
