"""What masks leave of each gate of recurrent layers, and of units by their rank. Imported late: it needs torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from app.common.errors import UserError
from app.common.gates import GatedWeight
from app.report.lottery_run import LotteryRun
from app.runs.recorded_tensors import read_tensors

ROWS, COLUMNS = "rows", "columns"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """Weights of one network: of a gate, or of the units of one rank.

    Args:
        method: name of the network's method.
        replicate: its replicate.
        round: its number of prunings.
        weight: name of the parameter.
        part: name of the gate; "rows" for the weights into units of a rank, of all gates with a row per unit; "columns"
            for those out of them.
        rank: of the units, from 1, the lowest; 0 for a gate.
        weights: how many there are.
        survivors: how many the mask leaves.
    """

    method: str
    replicate: int
    round: int
    weight: str
    part: str
    rank: int
    weights: int
    survivors: int


def read_gates(lottery: LotteryRun) -> list[GateRow]:
    """The rows of every network with masks, controls by their first branch; none where no gates are known.

    Raises:
        UserError: a mask is damaged, or has other rows than the gates.
    """
    found: list[GateRow] = []
    for key in sorted(lottery.places, key=lambda key: (key.method, key.replicate, key.round)):
        place = lottery.places[key]
        if key.branch or not lottery.schema.gates or not place.mask.exists():
            continue
        masks = {name: tensor.numpy() for name, tensor in read_tensors(place.mask).items()}
        for name, gated in lottery.schema.gates.items():
            if name not in masks:
                continue
            mask = masks[name]
            if mask.ndim != 2 or len(mask) != sum(rows for _, rows in gated.gates):
                raise UserError(f"{place.mask}: {name} has not the rows of the gates in the schema.json of its run")
            for part, rank, weights in _parts(mask, gated):
                found.append(
                    GateRow(
                        method=key.method,
                        replicate=key.replicate,
                        round=key.round,
                        weight=name,
                        part=part,
                        rank=rank,
                        weights=weights.size,
                        survivors=int(np.count_nonzero(weights)),
                    )
                )
    return found


def _parts(mask: np.ndarray, gated: GatedWeight) -> Iterator[tuple[str, int, np.ndarray]]:
    """Gates, and units by rank: name of the part, rank, its entries of the mask."""
    gates = _by_gate(mask, gated)
    for name, rows in gates.items():
        yield name, 0, rows
    if gated.ranks:
        units = np.arange(gated.units) * gated.ranks // gated.units
        own = np.stack([rows for rows in gates.values() if len(rows) == gated.units])  # gate, unit, input
        for rank in range(gated.ranks):
            yield ROWS, rank + 1, own[:, units == rank]
            if gated.recurrent:
                yield COLUMNS, rank + 1, mask[:, units == rank]


def _by_gate(mask: np.ndarray, gated: GatedWeight) -> Mapping[str, np.ndarray]:
    ends = np.cumsum([rows for _, rows in gated.gates])
    return dict(zip((name for name, _ in gated.gates), np.split(mask, ends[:-1]), strict=True))
