"""The line between two networks, and how much higher the error is on it (Frankle et al. 2020, section 2)."""

from collections.abc import Mapping, Sequence

from torch import Tensor

STABLE = 0.02  # a network is stable where the error barrier is below this (Frankle et al. 2020, section 3)


def alphas(points: int) -> list[float]:
    """Evenly spaced places on the line from 0 to 1, both of which are among them.

    Args:
        points: how many, at least 2.
    """
    return [point / (points - 1) for point in range(points)]


def interpolate(first: Mapping[str, Tensor], second: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """The state (1 - alpha) * first + alpha * second, which is exactly either at its end of the line.

    Running means and variances of normalisation layers are interpolated like the weights. Integers, such as numbers of
    batches, are those of the nearer end.

    Args:
        first: a state by name.
        second: a state with the same names and shapes.
        alpha: place on the line, in [0, 1].
    """
    if alpha in (0.0, 1.0):
        return dict(second if alpha else first)
    nearer = first if alpha < 0.5 else second
    return {
        name: (1 - alpha) * value + alpha * second[name] if value.is_floating_point() else nearer[name]
        for name, value in first.items()
    }


def error_barrier(errors: Sequence[float]) -> float:
    """The highest error on the line minus the mean error of its two ends; at least 0, but for rounding."""
    return max(errors) - (errors[0] + errors[-1]) / 2
