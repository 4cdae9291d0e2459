"""The time steps of a sequence on a GPU: a matrix product and one kernel a step, replayed as CUDA graphs.

Launching takes the processor longer than a step takes the GPU. So blocks of steps are captured in CUDA graphs, of a few
sizes only: a sequence of any length is a series of them. What a graph works on has a fixed place (`Plan`), except for
the tensors of the sequence, which the kernels find through a table on the device.
"""

# T time, B batch, H hidden units, R rows of all gates together. Sizes ending in P are padded to a multiple of
# `ALIGNED`, B to one of `ROWS`: cuBLAS has fast kernels only for rows whose length in bytes is a multiple of 16. A
# product with 1150 units takes twice as long without it, in bfloat16 and TF32.

import functools
from collections import Counter, OrderedDict
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
from torch import Tensor

from app.nets.fused.cells import Cell
from app.nets.fused.gpu import step_kernels

ALIGNED = 8
ROWS = 8
BLOCKS = (64, 32, 16, 8, 4, 2, 1)  # steps of a graph
PLAIN_PLAYS = 2  # sequences of a plan before its steps are captured
MOST_PLANS = 16  # kept at a time; one holds a recurrent weight and its graphs
UNITS = 256  # of one program of the LSTM's kernels
# Units of a chunk that one program computes: with few of them a row is shared by more multiprocessors.
FORWARD_UNITS = 4


def padded(size: int) -> int:
    """The size with padding."""
    return -(-size // ALIGNED) * ALIGNED


class Plan:
    """Fixed places for the steps of all sequences of one shape and precision, and graphs of them.

    Args:
        cell: what is computed after the product.
        batch: rows of the products; a sequence may have fewer.
        hidden: H.
        rows: R.
        kind: precision of the products.
        device: the GPU.
    """

    def __init__(self, cell: Cell, batch: int, hidden: int, rows: int, kind: torch.dtype, device: torch.device) -> None:
        self.cell, self.hidden, self.rows, self.batch, self.kind = cell, hidden, rows, batch, kind
        new = functools.partial(torch.zeros, device=device)
        self.weight = new(padded(rows), padded(hidden), dtype=kind)
        self.h = new(batch, padded(hidden), dtype=kind)
        self.d_gates = new(batch, padded(rows), dtype=kind)
        self.d_cell = new(batch, hidden)
        self.table = new(step_kernels.ENTRIES, dtype=torch.int64)
        self.pool: Any = None
        self.graphs: dict[tuple[str, int], torch.cuda.CUDAGraph] = {}
        self.plays: Counter[str] = Counter()  # sequences so far, by direction

    def load(self, weight_hh: Tensor) -> None:
        """Take the recurrent weight (R, H) of the next sequence."""
        self.weight[: self.rows, : self.hidden].copy_(weight_hh)

    def forward(self, gates: Tensor, h: Tensor, c: Tensor, outputs: Tensor, cells: Tensor, results: Tensor) -> None:
        """Compute all steps; `load` comes before.

        Args:
            gates: (T, B, RP) float32, contiguous, the products with the input.
            h: (B, H), before the first step.
            c: (B, H), contiguous, before the first step.
            outputs: (T, B, H), is written to.
            cells: (T, B, H), is written to.
            results: (T, B, RP), takes the activated gates.
        """
        self.h[: len(h), : self.hidden].copy_(h)
        step_kernels.begin[(1,)](self.table, gates, outputs, cells, c, results, len(h), 0)
        self._play("forward", len(gates))

    def backward(
        self,
        gates: Tensor,
        cells: Tensor,
        c: Tensor,
        d_outputs: Tensor | None,
        d_last_c: Tensor | None,
        d_gates: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Go back through all steps; `load` comes before.

        Args:
            gates: (T, B, RP), activated.
            cells: (T, B, H).
            c: (B, H), contiguous, before the first step.
            d_outputs: (T, B, H), contiguous; None for zeros.
            d_last_c: (B, H); None for zeros.
            d_gates: (T, B, RP), takes the gradients before activation.

        Returns:
            The gradients of the first h and of the first c (B, H).
        """
        time, batch = len(gates), len(c)
        self.d_gates.zero_()
        self.d_cell.zero_()
        if d_last_c is not None:
            self.d_cell[:batch].copy_(d_last_c)
        missing = 0 if d_outputs is None else d_outputs
        step_kernels.begin[(1,)](self.table, gates, missing, cells, c, d_gates, batch, time - 1)
        self._play("backward", time)
        return self._to_h()[:batch, : self.hidden], self.d_cell[:batch].clone()

    def _play(self, direction: str, time: int) -> None:
        """Run so many steps, in graphs as large as possible."""
        if not graphs_allowed(self.table.device):
            self._launch(direction, time)
            return
        self.plays[direction] += 1
        # At first Triton compiles and cuBLAS sets itself up, neither of which can be captured. Sentences come in
        # batches of many sizes, most of which do not come often enough to pay for graphs.
        if self.plays[direction] <= PLAIN_PLAYS:
            self._launch(direction, time)
            return
        for steps in BLOCKS:
            for _ in range(time // steps):
                self._graph(direction, steps).replay()
            time %= steps

    def _graph(self, direction: str, steps: int) -> torch.cuda.CUDAGraph:
        graph = self.graphs.get((direction, steps))
        if graph is None:
            graph = torch.cuda.CUDAGraph()
            if self.pool is None:
                self.pool = torch.cuda.graph_pool_handle()
            current = torch.cuda.current_stream(self.table.device)
            side = _capture_stream(self.table.device, current.cuda_stream)
            side.wait_stream(current)
            with torch.cuda.stream(side):
                graph.capture_begin(pool=self.pool, capture_error_mode="thread_local")
                try:
                    self._launch(direction, steps)
                finally:
                    graph.capture_end()
            self.graphs[direction, steps] = graph
        return graph

    def _launch(self, direction: str, steps: int) -> None:
        launch = self._forward_step if direction == "forward" else self._backward_step
        for step in range(steps):
            launch(step)
        step_kernels.advance[(1,)](self.table, steps if direction == "forward" else -steps)

    def _forward_step(self, step: int) -> None:
        product = into_float32(self.h, self.weight.t())
        sizes = self.hidden, self.weight.size(0), self.weight.size(1)
        if not self.cell.chunk_size:
            grid = self.batch, triton.cdiv(self.hidden, UNITS)
            step_kernels.lstm_forward[grid](self.table, product, self.h, step, *sizes, units=UNITS, num_warps=2)
            return
        chunk = self.cell.chunk_size
        chunks = self.hidden // chunk
        units = min(FORWARD_UNITS, triton.next_power_of_2(chunk))
        tile = {"chunk": chunk, "most_chunks": triton.next_power_of_2(chunks), "units": units}
        grid = self.batch, triton.cdiv(chunk, units)
        warps = _warps(tile["most_chunks"] * units)
        step_kernels.on_lstm_forward[grid](
            self.table, product, self.h, step, sizes[0], chunks, *sizes[1:], **tile, num_warps=warps
        )

    def _backward_step(self, step: int) -> None:
        product = self._to_h()
        tensors = self.table, product, self.d_gates, self.d_cell
        sizes = self.hidden, self.weight.size(0), product.stride(0)
        if not self.cell.chunk_size:
            grid = self.batch, triton.cdiv(self.hidden, UNITS)
            step_kernels.lstm_backward[grid](*tensors, step, *sizes, units=UNITS, num_warps=2)
            return
        chunk = self.cell.chunk_size
        chunks = self.hidden // chunk
        tile = {"chunk": chunk, "most_chunks": triton.next_power_of_2(chunks), "units": triton.next_power_of_2(chunk)}
        warps = _warps(tile["most_chunks"] * tile["units"])
        step_kernels.on_lstm_backward[(self.batch,)](
            *tensors, step, sizes[0], chunks, *sizes[1:], **tile, num_warps=warps
        )

    def _to_h(self) -> Tensor:
        """The gradient of the h that the step of `d_gates` read, (batch, HP)."""
        return into_float32(self.d_gates, self.weight)


def into_float32(x: Tensor, y: Tensor) -> Tensor:
    """The product of two matrices of one precision, in float32."""
    if x.dtype == torch.float32:
        return x @ y
    if x.is_cuda:
        return torch.mm(x, y, out_dtype=torch.float32)
    return x.float() @ y.float()


def on(device: torch.device) -> AbstractContextManager[object]:
    """Makes a GPU the current one: Triton launches its kernels there, whatever the tensors' device is."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def graphs_allowed(device: torch.device) -> bool:
    """Whether steps may be replayed as a graph: on a GPU, and not inside somebody's capture."""
    return device.type == "cuda" and not torch.cuda.is_current_stream_capturing()


def _warps(entries: int) -> int:
    """Warps of a program with a tile of so many entries: some eight entries a thread."""
    return max(1, min(16, entries // 256))


@functools.cache
def _capture_stream(device: torch.device, current: int) -> torch.cuda.Stream:
    """One for each stream that replays: graphs keep the workspace of cuBLAS of the stream that captured them."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class Plans:
    """The plans used last, at most `MOST_PLANS`."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()

    def __len__(self) -> int:
        return len(self._plans)

    def get(self, cell: Cell, batch: int, hidden: int, rows: int, kind: torch.dtype, device: torch.device) -> Plan:
        """The plan for sequences of up to `batch` rows.

        One per stream, because two streams may not write to the same place, and per precision of float32 products,
        because a graph keeps the one that it was captured with.
        """
        batch = -(-batch // ROWS) * ROWS
        key = cell.chunk_size, batch, hidden, rows, kind, *_settings(device)
        plan = self._plans.pop(key, None)
        if plan is None:
            with torch.inference_mode(False):  # tensors made in it could not be written to outside
                plan = Plan(cell, batch, hidden, rows, kind, device)
        self._plans[key] = plan
        while len(self._plans) > MOST_PLANS:
            self._plans.popitem(last=False)
        return plan


def _settings(device: torch.device) -> tuple[Any, ...]:
    if device.type != "cuda":
        return (device,)
    return device, torch.cuda.current_stream(device).cuda_stream, torch.backends.cuda.matmul.fp32_precision


PLANS = Plans()
