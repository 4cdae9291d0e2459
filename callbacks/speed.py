"""An estimate of the time that iterations take, from those that were trained."""

HALF_LIFE_SECONDS = 600.0


class Speed:
    """An exponentially weighted mean of the seconds per iteration, including the time between iterations.

    The weight of a second halves every `HALF_LIFE_SECONDS`: long enough to span several evaluations and the work
    between two trainings, short enough to follow a machine that slows down.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._iterations = 0.0

    def add(self, seconds: float, iterations: int) -> None:
        """Add a stretch of time and the number of iterations in it, which may be 0."""
        weight = 0.5 ** (seconds / HALF_LIFE_SECONDS)
        self._seconds = weight * self._seconds + seconds
        self._iterations = weight * self._iterations + iterations

    def seconds_for(self, iterations: int) -> float | None:
        """The seconds that so many iterations would take; None before the first iteration."""
        return iterations * self._seconds / self._iterations if self._iterations else None
