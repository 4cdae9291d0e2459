"""Which rows of a recurrent layer's weights belong to which gate, for reports of what pruning leaves."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedWeight:
    """The rows of one weight of a recurrent layer, gate by gate.

    Args:
        gates: names with numbers of rows, in order. A gate of `units` rows has one for each unit.
        units: hidden units of the layer.
        ranks: how many ranks the units have, neighbours sharing one, the lowest first; 0 where they have no order.
        recurrent: whether the columns are the units of the same layer, too.
    """

    gates: tuple[tuple[str, int], ...]
    units: int
    ranks: int = 0
    recurrent: bool = False

    def plain(self) -> dict[str, Any]:
        """As plain values for a file."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "GatedWeight":
        """The inverse of `plain`.

        Raises:
            ValueError, TypeError, KeyError: the values are not those of a `GatedWeight`.
        """
        gates = tuple((str(name), int(rows)) for name, rows in plain["gates"])
        found = cls(
            gates=gates, units=int(plain["units"]), ranks=int(plain["ranks"]), recurrent=bool(plain["recurrent"])
        )
        if found.units < 1 or found.ranks < 0 or any(rows < 1 for _, rows in gates):
            raise ValueError(f"{dict(plain)} are no gates")
        return found
