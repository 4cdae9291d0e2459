"""Triton kernels of one time step after its matrix product, forward and backward.

Equations and derivatives are those of `app.nets.fused.cells`, in float32 whatever the precision of the products. A
kernel finds the tensors of a sequence, and how many steps are behind it, in a small table on the device. A CUDA graph
of some steps can therefore be replayed at any place of any sequence.
"""

# T time, B batch, H hidden units, C chunk size, K = H / C chunks, R rows of all gates together.

import triton
import triton.language as tl

# Entries of the table, int64: addresses of tensors (0 for one that is missing), the number of rows of a batch, and the
# current time step.
GATES = tl.constexpr(0)  # forward: (T, B, stride), the products with the input; backward: the activated gates
OUTPUTS = tl.constexpr(1)  # forward: outputs (T, B, H); backward: their gradients, or 0
CELLS = tl.constexpr(2)  # (T, B, H)
FIRST_CELL = tl.constexpr(3)  # (B, H), before the first step
RESULTS = tl.constexpr(4)  # (T, B, stride); forward: the activated gates; backward: gradients before activation
BATCH = tl.constexpr(5)
TIME = tl.constexpr(6)
ENTRIES = 7


@triton.jit(do_not_specialize=["batch", "time"])
def begin(table, gates, outputs, cells, first_cell, results, batch, time):
    """Fill the table."""
    tl.store(table + GATES, gates.to(tl.int64))
    tl.store(table + OUTPUTS, outputs.to(tl.int64))
    tl.store(table + CELLS, cells.to(tl.int64))
    tl.store(table + FIRST_CELL, first_cell.to(tl.int64))
    tl.store(table + RESULTS, results.to(tl.int64))
    tl.store(table + BATCH, batch.to(tl.int64))
    tl.store(table + TIME, time.to(tl.int64))


@triton.jit(do_not_specialize=["steps"])
def advance(table, steps):
    """Move on by some steps, backward if negative."""
    tl.store(table + TIME, tl.load(table + TIME) + steps)


@triton.jit
def _at(table, entry):
    """The tensor of an entry, as a pointer to float32."""
    return tl.load(table + entry).to(tl.pointer_type(tl.float32))


@triton.jit
def _tanh(x):
    """tanh by an exponential that cannot overflow; its error is that of float32 near 1."""
    e = tl.exp(-2 * tl.abs(x))
    size = (1 - e) / (1 + e)
    return tl.where(x < 0, -size, size)


@triton.jit
def _softmax(x):
    """Softmax of a vector whose surplus entries are -inf."""
    e = tl.exp(x - tl.max(x, 0))
    return e / tl.sum(e, 0)


@triton.jit
def _before(table, time, batch, row, hidden):
    """Address of the cell state before a step."""
    cells = tl.load(table + CELLS) + ((time - 1) * batch + row) * hidden * 4
    first = tl.load(table + FIRST_CELL) + row * hidden * 4
    return tl.where(time > 0, cells, first).to(tl.pointer_type(tl.float32))


@triton.jit(do_not_specialize=["step"])
def on_lstm_forward(
    table,
    product,
    carried,
    step,
    hidden,
    chunks,
    stride,
    carried_stride,
    chunk: tl.constexpr,
    most_chunks: tl.constexpr,
    units: tl.constexpr,
):
    """One ON-LSTM step; program (b, i) computes units i * units to (i + 1) * units of every chunk of row b.

    product (B', stride) is h times the recurrent weight; carried (B', carried_stride) takes the new h for the next
    product. most_chunks is a power of two that K fits in.
    """
    batch = tl.load(table + BATCH)
    row = tl.program_id(0)
    if row < batch:
        time = tl.load(table + TIME) + step
        at = time * batch + row
        gates, results = _at(table, GATES) + at * stride, _at(table, RESULTS) + at * stride
        product += row * stride
        k = tl.arange(0, most_chunks)
        in_k = k < chunks
        j = tl.program_id(1) * units + tl.arange(0, units)
        unit = k[:, None] * chunk + j[None, :]
        inside = in_k[:, None] & (j < chunk)[None, :]

        below = float("-inf")
        input_soft = tl.load(gates + k, mask=in_k, other=below) + tl.load(product + k, mask=in_k, other=0.0)
        forget_soft = tl.load(gates + chunks + k, mask=in_k, other=below)
        forget_soft += tl.load(product + chunks + k, mask=in_k, other=0.0)
        input_soft, forget_soft = _softmax(input_soft), _softmax(forget_soft)
        master_input = (1 - tl.cumsum(input_soft, 0))[:, None]  # eq. 10
        master_forget = tl.cumsum(forget_soft, 0)[:, None]  # eq. 9
        if tl.program_id(1) == 0:
            tl.store(results + k, input_soft, mask=in_k)
            tl.store(results + chunks + k, forget_soft, mask=in_k)

        gates += 2 * chunks
        product += 2 * chunks
        results += 2 * chunks
        output = tl.load(gates + unit, mask=inside, other=0.0) + tl.load(product + unit, mask=inside, other=0.0)
        unit2 = unit + hidden
        candidate = tl.load(gates + unit2, mask=inside, other=0.0) + tl.load(product + unit2, mask=inside, other=0.0)
        unit3 = unit2 + hidden
        input = tl.load(gates + unit3, mask=inside, other=0.0) + tl.load(product + unit3, mask=inside, other=0.0)
        unit4 = unit3 + hidden
        forget = tl.load(gates + unit4, mask=inside, other=0.0) + tl.load(product + unit4, mask=inside, other=0.0)
        output, candidate = tl.sigmoid(output), _tanh(candidate)
        input, forget = tl.sigmoid(input), tl.sigmoid(forget)
        tl.store(results + unit, output, mask=inside)
        tl.store(results + unit2, candidate, mask=inside)
        tl.store(results + unit3, input, mask=inside)
        tl.store(results + unit4, forget, mask=inside)

        before = tl.load(_before(table, time, batch, row, hidden) + unit, mask=inside, other=0.0)
        overlap = master_forget * master_input  # eq. 11
        cell = (forget * overlap + (master_forget - overlap)) * before  # eq. 12, 14
        cell += (input * overlap + (master_input - overlap)) * candidate  # eq. 13, 14
        h = output * _tanh(cell)  # eq. 5
        tl.store(_at(table, CELLS) + at * hidden + unit, cell, mask=inside)
        tl.store(_at(table, OUTPUTS) + at * hidden + unit, h, mask=inside)
        tl.store(carried + row * carried_stride + unit, h.to(carried.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["step"])
def on_lstm_backward(
    table,
    product,
    carried,
    d_cell,
    step,
    hidden,
    chunks,
    stride,
    product_stride,
    chunk: tl.constexpr,
    most_chunks: tl.constexpr,
    units: tl.constexpr,
):
    """One ON-LSTM step back; program (b) computes row b. units is a power of two that C fits in.

    product (B', product_stride) is the gradient of the step after times the recurrent weight; carried (B', stride)
    takes the gradient of this step for the next product; d_cell (B', H) is the gradient of the cell state.
    """
    batch = tl.load(table + BATCH)
    row = tl.program_id(0)
    if row < batch:
        time = tl.load(table + TIME) - step
        at = time * batch + row
        gates, results = _at(table, GATES) + at * stride, _at(table, RESULTS) + at * stride
        carried += row * stride
        d_cell += row * hidden
        k = tl.arange(0, most_chunks)
        in_k = k < chunks
        j = tl.arange(0, units)
        unit = k[:, None] * chunk + j[None, :]
        inside = in_k[:, None] & (j < chunk)[None, :]

        dh = tl.load(product + row * product_stride + unit, mask=inside, other=0.0)
        outputs = tl.load(table + OUTPUTS)
        if outputs != 0:
            outputs_at = outputs.to(tl.pointer_type(tl.float32)) + at * hidden
            dh += tl.load(outputs_at + unit, mask=inside, other=0.0)
        dc = tl.load(d_cell + unit, mask=inside, other=0.0)
        before = tl.load(_before(table, time, batch, row, hidden) + unit, mask=inside, other=0.0)
        squashed = _tanh(tl.load(_at(table, CELLS) + at * hidden + unit, mask=inside, other=0.0))

        input_soft = tl.load(gates + k, mask=in_k, other=0.0)
        forget_soft = tl.load(gates + chunks + k, mask=in_k, other=0.0)
        master_input = (1 - tl.cumsum(input_soft, 0))[:, None]
        master_forget = tl.cumsum(forget_soft, 0)[:, None]
        gates += 2 * chunks
        unit2 = unit + hidden
        unit3 = unit2 + hidden
        unit4 = unit3 + hidden
        output = tl.load(gates + unit, mask=inside, other=0.0)
        candidate = tl.load(gates + unit2, mask=inside, other=0.0)
        input = tl.load(gates + unit3, mask=inside, other=0.0)
        forget = tl.load(gates + unit4, mask=inside, other=0.0)

        overlap = master_forget * master_input
        dc += dh * output * (1 - squashed * squashed)
        d_output = dh * squashed * output * (1 - output)
        d_candidate = dc * (input * overlap + (master_input - overlap)) * (1 - candidate * candidate)
        d_input = dc * candidate * overlap * input * (1 - input)
        d_forget = dc * before * overlap * forget * (1 - forget)
        of_overlap = before * (forget - 1) + candidate * (input - 1)
        # Of the cumulative sums: every unit of a chunk adds to that of its chunk.
        d_input_sum = -tl.sum(dc * (candidate + master_forget * of_overlap), 1)
        d_forget_sum = tl.sum(dc * (before + master_input * of_overlap), 1)
        # A softmax value enters its own cumulative sum and all later ones: its gradient is the sum of theirs.
        d_input_soft = tl.sum(d_input_sum, 0) - tl.cumsum(d_input_sum, 0) + d_input_sum
        d_forget_soft = tl.sum(d_forget_sum, 0) - tl.cumsum(d_forget_sum, 0) + d_forget_sum
        d_input_master = input_soft * (d_input_soft - tl.sum(input_soft * d_input_soft, 0))
        d_forget_master = forget_soft * (d_forget_soft - tl.sum(forget_soft * d_forget_soft, 0))

        kind = carried.dtype.element_ty
        tl.store(results + k, d_input_master, mask=in_k)
        tl.store(results + chunks + k, d_forget_master, mask=in_k)
        tl.store(carried + k, d_input_master.to(kind), mask=in_k)
        tl.store(carried + chunks + k, d_forget_master.to(kind), mask=in_k)
        results += 2 * chunks
        carried += 2 * chunks
        tl.store(results + unit, d_output, mask=inside)
        tl.store(results + unit2, d_candidate, mask=inside)
        tl.store(results + unit3, d_input, mask=inside)
        tl.store(results + unit4, d_forget, mask=inside)
        tl.store(carried + unit, d_output.to(kind), mask=inside)
        tl.store(carried + unit2, d_candidate.to(kind), mask=inside)
        tl.store(carried + unit3, d_input.to(kind), mask=inside)
        tl.store(carried + unit4, d_forget.to(kind), mask=inside)
        kept = forget * overlap + (master_forget - overlap)
        tl.store(d_cell + unit, dc * kept, mask=inside)


@triton.jit(do_not_specialize=["step"])
def lstm_forward(table, product, carried, step, hidden, stride, carried_stride, units: tl.constexpr):
    """One LSTM step; program (b, i) computes units i * units to (i + 1) * units of row b; see `on_lstm_forward`."""
    batch = tl.load(table + BATCH)
    row = tl.program_id(0)
    if row < batch:
        time = tl.load(table + TIME) + step
        at = time * batch + row
        gates, results = _at(table, GATES) + at * stride, _at(table, RESULTS) + at * stride
        product += row * stride
        unit = tl.program_id(1) * units + tl.arange(0, units)
        inside = unit < hidden
        unit2 = unit + hidden
        unit3 = unit2 + hidden
        unit4 = unit3 + hidden
        input = tl.load(gates + unit, mask=inside, other=0.0) + tl.load(product + unit, mask=inside, other=0.0)
        forget = tl.load(gates + unit2, mask=inside, other=0.0) + tl.load(product + unit2, mask=inside, other=0.0)
        candidate = tl.load(gates + unit3, mask=inside, other=0.0) + tl.load(product + unit3, mask=inside, other=0.0)
        output = tl.load(gates + unit4, mask=inside, other=0.0) + tl.load(product + unit4, mask=inside, other=0.0)
        input, forget = tl.sigmoid(input), tl.sigmoid(forget)
        candidate, output = _tanh(candidate), tl.sigmoid(output)
        tl.store(results + unit, input, mask=inside)
        tl.store(results + unit2, forget, mask=inside)
        tl.store(results + unit3, candidate, mask=inside)
        tl.store(results + unit4, output, mask=inside)
        before = tl.load(_before(table, time, batch, row, hidden) + unit, mask=inside, other=0.0)
        cell = forget * before + input * candidate
        h = output * _tanh(cell)
        tl.store(_at(table, CELLS) + at * hidden + unit, cell, mask=inside)
        tl.store(_at(table, OUTPUTS) + at * hidden + unit, h, mask=inside)
        tl.store(carried + row * carried_stride + unit, h.to(carried.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["step"])
def lstm_backward(table, product, carried, d_cell, step, hidden, stride, product_stride, units: tl.constexpr):
    """One LSTM step back; program (b, i) as in `lstm_forward`, tensors as in `on_lstm_backward`."""
    batch = tl.load(table + BATCH)
    row = tl.program_id(0)
    if row < batch:
        time = tl.load(table + TIME) - step
        at = time * batch + row
        gates, results = _at(table, GATES) + at * stride, _at(table, RESULTS) + at * stride
        carried += row * stride
        unit = tl.program_id(1) * units + tl.arange(0, units)
        inside = unit < hidden
        unit2 = unit + hidden
        unit3 = unit2 + hidden
        unit4 = unit3 + hidden
        dh = tl.load(product + row * product_stride + unit, mask=inside, other=0.0)
        outputs = tl.load(table + OUTPUTS)
        if outputs != 0:
            outputs_at = outputs.to(tl.pointer_type(tl.float32)) + at * hidden
            dh += tl.load(outputs_at + unit, mask=inside, other=0.0)
        d_cell += row * hidden
        dc = tl.load(d_cell + unit, mask=inside, other=0.0)
        before = tl.load(_before(table, time, batch, row, hidden) + unit, mask=inside, other=0.0)
        squashed = _tanh(tl.load(_at(table, CELLS) + at * hidden + unit, mask=inside, other=0.0))
        input = tl.load(gates + unit, mask=inside, other=0.0)
        forget = tl.load(gates + unit2, mask=inside, other=0.0)
        candidate = tl.load(gates + unit3, mask=inside, other=0.0)
        output = tl.load(gates + unit4, mask=inside, other=0.0)
        dc += dh * output * (1 - squashed * squashed)
        d_input = dc * candidate * input * (1 - input)
        d_forget = dc * before * forget * (1 - forget)
        d_candidate = dc * input * (1 - candidate * candidate)
        d_output = dh * squashed * output * (1 - output)
        kind = carried.dtype.element_ty
        tl.store(results + unit, d_input, mask=inside)
        tl.store(results + unit2, d_forget, mask=inside)
        tl.store(results + unit3, d_candidate, mask=inside)
        tl.store(results + unit4, d_output, mask=inside)
        tl.store(carried + unit, d_input.to(kind), mask=inside)
        tl.store(carried + unit2, d_forget.to(kind), mask=inside)
        tl.store(carried + unit3, d_candidate.to(kind), mask=inside)
        tl.store(carried + unit4, d_output.to(kind), mask=inside)
        tl.store(d_cell + unit, dc * forget, mask=inside)
