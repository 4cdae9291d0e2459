"""The findings of a report, in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one experiment shows.

    Args:
        by_subject: sentences under the label of the method or the metric that they speak of.
        basis: what all of them rest on.
    """

    by_subject: Mapping[str, list[str]]
    basis: str
