"""The files of a trained network of a lottery: what is written of it, and its row, which is read from them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor

from app.common import protocols
from app.common.files import sync, write_atomically
from app.common.prunable import prunable_parameters, prunable_parts
from app.common.states import digest, plain_state
from app.lottery.job import Job
from app.lottery.moments import Moments
from app.lottery.settings import Pruning
from app.pruning import When, collapsed, density, masked, survivors, weight_sizes
from app.pruning.parts import part_sizes, split
from app.runs.at_work import shared_files
from app.runs.best_validation import BestValidation
from app.runs.checksums import check_file, record
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout, run_of
from app.runs.network_report import damaged_report, read_report
from app.runs.provenance import commit, sha256, versions
from app.runs.source_ticket import ticket_checksums
from app.runs.table import EARLY_STOP, FINAL, ITERATION, MetricsFile, MetricsRow, Result
from app.runs.tensors import save_masked, save_masks, save_tensors
from app.training.kernel_record import KernelRecord


@dataclass(frozen=True, kw_only=True)
class NetworkWriter:
    """Writes what is kept of the trained networks of one experiment.

    Args:
        model: has the weights of the network that is written.
        data: that it was trained on.
        settings: which weights are kept.
        layout: where everything is written.
        moments: when networks begin.
        best: which validation is the early stop.
        threads: torch's, for the record.
    """

    model: LightningModule
    data: LightningDataModule
    settings: Pruning
    layout: RunLayout
    moments: Moments
    best: BestValidation
    threads: int

    def write(
        self,
        job: Job,
        share: float,
        rows: Sequence[MetricsRow],
        initial: Mapping[str, float],
        final: Mapping[str, float],
        seconds: float,
        kernels: KernelRecord,
        *,
        iterations: int | None = None,
        **notes: Any,
    ) -> None:
        """Write everything of a network that is trained.

        Args:
            job: the network.
            share: of weights remaining.
            rows: of its validations.
            initial: what was measured before the training.
            final: what was measured at the end besides.
            seconds: that it took.
            kernels: that it was computed with.
            iterations: where it ended, if that is not the full length.
            notes: for its report.
        """
        files, trained = self.layout.network(job.key), self.moments.iterations if iterations is None else iterations
        rows = self._with_end(files, rows, final, trained)
        result = self._result(job.key, share, rows, initial, final, seconds, trained)
        self._write(files, job, result, {"complete": True, **notes, **kernels.in_report()})

    def _with_end(
        self, files: TrainingLayout, rows: Sequence[MetricsRow], final: Mapping[str, float], iterations: int
    ) -> Sequence[MetricsRow]:
        """The rows of the validations and of the end, which is added to metrics.csv where it is none of them.

        Without it the early stop of a training whose last validation came long before its end would be that.
        """
        names = [name for name in rows[0] if name != ITERATION]
        measured = {name: final[name] for name in names if name in final and not name.startswith("train")}
        if rows[-1][ITERATION] >= iterations or self.best.monitor not in measured:
            return rows
        row = {ITERATION: iterations, **dict.fromkeys(names, math.nan), **measured}
        MetricsFile(files.metrics, names).append(row)
        return [*rows, row]

    def _result(
        self,
        key: NetworkKey,
        share: float,
        rows: Sequence[MetricsRow],
        initial: Mapping[str, float],
        final: Mapping[str, float],
        seconds: float,
        iterations: int,
    ) -> Result:
        best, last = self.best.of(rows), {**rows[-1], **final}
        values = {f"{EARLY_STOP}{name}": value for name, value in best.items() if name != ITERATION}
        values |= {f"{FINAL}{name}": value for name, value in last.items() if name != ITERATION}
        values |= initial
        return Result(
            experiment=self.layout.name,
            replicate=key.replicate,
            method=key.method,
            round=key.round,
            branch=key.branch,
            density=share,
            early_stop_iteration=int(best[ITERATION]),
            values=values,
            iterations=iterations,
            seconds=round(seconds, 2),
        )

    def _write(self, files: TrainingLayout, job: Job, result: Result, notes: Mapping[str, Any]) -> None:
        """Everything of a finished network; DONE last, so that without it nothing else counts."""
        sync(files.metrics)
        final, masks = plain_state(self.model), job.ticket.masks
        save_masks(files.mask, masks)
        # The networks after these are made from their trained weights.
        if "final" in self.settings.keep or not job.key.of or self.settings.method(job.key).continues(job.key):
            save_masked(files.final, final, masks)
        if "start" in self.settings.keep:
            start = masked(job.start, masks)
            save_masked(files.start, start, masks)
            record(files.root, {files.start.name: digest(start)})
        if "best" in self.settings.keep:
            record(files.root, {files.best.name: sha256(files.best)})
        if job.key.round == 0:
            self._write_rewind_point(job)
        report = self._report(job, result) | {
            **notes,
            "checksums": self._checksums(files, job, final),
        }
        write_atomically(files.report, json.dumps(report, indent=2) + "\n")
        write_atomically(files.done, "")
        files.last.unlink(missing_ok=True)
        files.previous.unlink(missing_ok=True)

    def _write_rewind_point(self, job: Job) -> None:
        replicate, point = job.key.replicate, job.ticket.rewind_point
        checksums = {path.name: sha256(path) if path.exists() else None for path in self.moments.snapshots(job.key)}
        if When.parse(self.settings.rewind_to).count > 0:
            weights = self.layout.rewind_weights(replicate)
            save_tensors(weights, point)
            checksums[weights.name] = digest(point)
            checksums.setdefault(self.layout.rewind_checkpoint(replicate).name, None)  # of an earlier configuration
        with shared_files(self.layout):
            record(self.layout.replicate(replicate), checksums)

    def _report(self, job: Job, result: Result) -> dict[str, Any]:
        sizes, kinds = weight_sizes(self.model), prunable_parameters(self.model)
        counts, parts = survivors(job.ticket.masks), prunable_parts(self.model)
        part_counts = survivors(split(job.ticket.masks, parts))
        pruned = {name: size for name, size in part_sizes(self.model).items() if name in parts}
        by_part = {
            name: {"kind": part.kind, "weights": pruned[name], "survivors": part_counts[name]}
            for name, part in parts.items()
            if part.rows is not None
        }
        return {
            "result": result.flat(),
            "collapsed": collapsed(job.ticket.masks),
            "density": result.density,
            "density_prunable": density(pruned, part_counts),
            "layers": {
                name: {"kind": kinds.get(name), "weights": size, "survivors": counts.get(name, size)}
                for name, size in sizes.items()
            },
            "iterations": result.iterations,
            "began_at": self.moments.begins_at(job.key),
            "seeds": job.seeds,
            "versions": versions(),
            "commit": commit(),
            "threads": self.threads,
            **({"parts": by_part} if by_part else {}),
            **({"source": _source(job.source)} if job.source is not None else {}),
        }

    def _checksums(self, files: TrainingLayout, job: Job, final: dict[str, Tensor]) -> dict[str, Any]:
        return {
            "data": protocols.checksums(self.data),
            "metrics.csv": sha256(files.metrics),
            "mask": digest(job.ticket.masks),
            "start": digest(job.start),
            "final": digest(final),
        }


def _source(files: TrainingLayout) -> dict[str, str]:
    """The ticket of another run directory, for the report of the network that is made from it."""
    return {"ticket": str(files.root), **ticket_checksums(files)}


def read_result(files: TrainingLayout) -> Result:
    """The row of a finished network.

    Raises:
        UserError: its report or its metrics are missing or damaged.
    """
    report = read_report(files)
    check_file(files.metrics)
    try:
        result = Result.from_flat(report["result"])
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise damaged_report(files, error) from None
    run = run_of(files.root)
    if run is not None and NetworkKey.of_path(files.root.resolve().relative_to(run.root).as_posix()) != result.key:
        raise damaged_report(files, ValueError(f"it is of {result.key}"))
    return result
