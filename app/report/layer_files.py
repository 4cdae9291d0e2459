"""Reads masks and weights of a lottery's networks, and counts what they say layer by layer.

Imported late: it needs torch, which a report of tables alone does not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from app.common.errors import UserError
from app.common.states import digest
from app.plotting.numbers import plural
from app.report.initial_values import histogram, kept_sign_share, positive_share, relative_size
from app.report.layer_numbers import HistogramRow, LayerNumbers, LayerRow, OverlapRow, natural_order
from app.report.lottery_run import LotteryRun
from app.report.lottery_series import chosen_rounds, series
from app.report.mask_overlap import overlap
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION
from app.runs.checksums import recorded
from app.runs.layout import DENSE, NetworkKey, RunLayout, TrainingLayout
from app.runs.network_report import read_report
from app.runs.recorded_tensors import read_tensors

BINS = 60  # of a histogram of initial weights
Arrays = Mapping[str, np.ndarray]


def read_layers(lottery: LotteryRun, methods: Methods) -> LayerNumbers | None:
    """Read the masks of every network, the initial weights of every replicate, and trained weights where they are.

    Of the branches of a control the first stands for all. Networks whose masks are not there are passed over.

    Args:
        lottery: the experiment.
        methods: all of them.

    Returns:
        None where no mask is there.

    Raises:
        UserError: a file that is damaged.
    """
    places = {key: place for key, place in lottery.places.items() if key.branch == 0 and place.mask.exists()}
    if not places:
        return None
    reader = _Reader(lottery, methods, places)
    present = methods.in_order({key.method for key in places})
    same = _same_masks(present, places)
    shown = [method for method in present if method not in same]
    rounds = sorted({key.round for key in places})
    for round_ in rounds:
        reader.read_round(round_, shown)
    return LayerNumbers(
        layers=reader.layers,
        same_masks=same,
        rows=reader.rows,
        replicates=reader.replicates,
        methods=reader.methods_compared,
        histograms=reader.histograms(),
        missing=_missing(lottery, places, reader),
    )


class _Reader:
    """Counts, round by round, so that the masks of one round are in memory at a time."""

    def __init__(self, lottery: LotteryRun, methods: Methods, places: Mapping[NetworkKey, TrainingLayout]) -> None:
        self.lottery, self.methods, self.places = lottery, methods, places
        self.rows: list[LayerRow] = []
        self.replicates: list[OverlapRow] = []
        self.methods_compared: list[OverlapRow] = []
        self.layers: list[str] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.tickets = methods.tickets({key.method for key in places}) or DENSE
        self.chosen = self._chosen_rounds()
        self.without_initial: set[int] = set()
        self.without_final = 0
        self._initial: dict[int, Arrays | None] = {}
        self._counts: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}
        self._limits: dict[str, float] = {}

    def read_round(self, round_: int, shown: Sequence[str]) -> None:
        """Read the networks of some methods that stand in a round."""
        masks: dict[str, dict[int, Arrays]] = defaultdict(dict)
        keys = [key for key in self.places if key.round == round_ and key.method in shown]
        for key in sorted(keys, key=lambda key: (shown.index(key.method), key.replicate)):
            found = _read(self.places[key].mask)
            if not self.layers:
                self.layers = _in_network_order(self.places[key], found)
                self.shapes = {layer: found[layer].shape for layer in self.layers}
            masks[key.method][key.replicate] = self._checked(self.places[key].mask, found)
            self._count(key, found)
        for method, by_replicate in masks.items():
            for first, second in combinations(sorted(by_replicate), 2):
                self.replicates += self._overlaps(
                    NetworkKey(first, method, round_), NetworkKey(second, method, round_), masks
                )
        for first_method, second_method in combinations(masks, 2):
            for replicate in sorted(masks[first_method].keys() & masks[second_method].keys()):
                self.methods_compared += self._overlaps(
                    NetworkKey(replicate, second_method, round_), NetworkKey(replicate, first_method, round_), masks
                )

    def histograms(self) -> list[HistogramRow]:
        """The initial weights of the tickets, over all replicates."""
        found = []
        for (round_, layer), (everything, counts) in self._counts.items():
            limit = self._limits[layer]
            edges = [limit * (2 * edge / BINS - 1) for edge in range(BINS + 1)]
            found += [
                HistogramRow(
                    method=self.tickets,
                    round=round_,
                    layer=layer,
                    left=edges[place],
                    right=edges[place + 1],
                    weights=int(everything[place]),
                    survivors=int(counts[place]),
                )
                for place in range(BINS)
            ]
        return found

    def _count(self, key: NetworkKey, masks: Arrays) -> None:
        """Add the rows of one network, and its part of the histograms."""
        initial, final = self._initial_weights(key.replicate), self._final_weights(key)
        for layer in self.layers:
            mask = masks[layer]
            row = LayerRow(
                method=key.method,
                replicate=key.replicate,
                round=key.round,
                layer=layer,
                weights=mask.size,
                survivors=int(np.count_nonzero(mask)),
            )
            if initial is not None:
                start = initial[layer]
                row = replace(row, positive=positive_share(start, mask), size=relative_size(start, mask))
                if final is not None:
                    row = replace(row, kept_sign=kept_sign_share(start, final[layer], mask))
                if key.method == self.tickets and key.round in self.chosen:
                    self._add(key.round, layer, start, mask)
            self.rows.append(row)

    def _add(self, round_: int, layer: str, start: np.ndarray, mask: np.ndarray) -> None:
        limit = self._limits.setdefault(layer, float(np.abs(start).max()) or 1.0)
        everything, counts = (histogram(start, each, limit=limit, bins=BINS) for each in (np.ones_like(mask), mask))
        if before := self._counts.get((round_, layer)):
            everything, counts = everything + before[0], counts + before[1]
        self._counts[round_, layer] = everything, counts

    def _overlaps(
        self, first: NetworkKey, second: NetworkKey, masks: Mapping[str, Mapping[int, Arrays]]
    ) -> Iterable[OverlapRow]:
        ours, theirs = (masks[key.method][key.replicate] for key in (first, second))
        for layer in self.layers:
            found = overlap(ours[layer], theirs[layer])
            low, high = found.band
            yield OverlapRow(
                method=first.method,
                replicate=first.replicate,
                against=second.method,
                against_replicate=second.replicate,
                round=first.round,
                layer=layer,
                weights=found.weights,
                survivors=found.first,
                against_survivors=found.second,
                both=found.both,
                jaccard=found.jaccard,
                chance=found.chance,
                low=low,
                high=high,
            )

    def _initial_weights(self, replicate: int) -> Arrays | None:
        """The weights of a replicate before any training; None where they were not kept."""
        if replicate not in self._initial:
            path = self._run(replicate).initial(replicate)
            self._initial[replicate] = self._checked(path, _read(path)) if path.exists() else None
            if self._initial[replicate] is None:
                self.without_initial.add(replicate)
        return self._initial[replicate]

    def _final_weights(self, key: NetworkKey) -> Arrays | None:
        """The trained weights of a network; None where they were not kept, or it began with other weights."""
        place = self.places[key]
        if self.methods.is_control(key.method) and not self._began_with_initial(key):
            return None
        if not place.final.exists():
            self.without_final += 1
            return None
        return self._checked(place.final, _read(place.final))

    def _checked(self, path: Path, found: Arrays) -> Arrays:
        """Tensors of a file, which have all layers in the shapes of the other networks.

        Raises:
            UserError: they have not.
        """
        for layer, shape in self.shapes.items():
            if layer not in found or found[layer].shape != shape:
                said = found[layer].shape if layer in found else "nothing"
                raise UserError(
                    f"{path}: has {said} as {layer}, and another network of {self.lottery.name!r} has {shape}; report "
                    "networks of different sizes apart"
                )
        return found

    def _began_with_initial(self, key: NetworkKey) -> bool:
        """Whether a control was trained from weights that its tickets were rewound to, as its report tells."""
        place, run = self.places[key], self._run(key.replicate)
        if not place.report.exists():
            return False
        known = [recorded(path) for path in (run.initial(key.replicate), run.rewind_weights(key.replicate))]
        return read_report(place)["checksums"].get("start") in {each.checksum for each in known if each is not None}

    def _run(self, replicate: int) -> RunLayout:
        """The run directory of a replicate."""
        key = next(key for key in self.places if key.replicate == replicate)
        depth = len(key.path.split("/"))
        return RunLayout(self.places[key].root.parents[depth - 1])

    def _chosen_rounds(self) -> list[int]:
        lines = series(self.lottery.results, EARLY_STOP_ITERATION.name, self.methods)
        line = lines.get(self.tickets)
        return chosen_rounds(line) if line else []


def _read(path: Path) -> Arrays:
    """Masks as bools; weights in single precision, as numpy has no bfloat16."""
    tensors = read_tensors(path)
    return {name: (each if each.dtype is torch.bool else each.float()).numpy() for name, each in tensors.items()}


def _same_masks(present: Sequence[str], places: Mapping[NetworkKey, TrainingLayout]) -> dict[str, str]:
    """Methods that have the masks of an earlier one in every replicate and round that they have, with that one."""
    digests: dict[str, dict[tuple[int, int], str]] = defaultdict(dict)
    for key, place in places.items():
        found = recorded(place.mask)
        known = digest(read_tensors(place.mask)) if found is None else found.checksum
        digests[key.method][key.replicate, key.round] = known
    same: dict[str, str] = {}
    for place_, method in enumerate(present):
        for earlier in present[:place_]:
            if earlier not in same and digests[method].items() <= digests[earlier].items():
                same[method] = earlier
                break
    return same


def _in_network_order(place: TrainingLayout, masks: Arrays) -> list[str]:
    """The names of layers from input to output, as the network's report has them."""
    known = read_report(place).get("layers", {}) if place.report.exists() else {}
    return list(known) if set(known) == set(masks) else natural_order(masks)


def _missing(lottery: LotteryRun, places: Mapping[NetworkKey, TrainingLayout], reader: _Reader) -> list[str]:
    """What was not kept, in words."""
    without = sum(key.branch == 0 and key not in places for key in lottery.places)
    said = [f"masks of {plural(without, 'network')}"] if without else []
    if reader.without_initial:
        said.append(f"initial weights of replicate {', '.join(map(str, sorted(reader.without_initial)))}")
    if reader.without_final:
        said.append(f"trained weights of {plural(reader.without_final, 'network')} (pruning.keep without final)")
    return said
