"""Matrix products of bfloat16 with sums in float32, by the compiled library; see csrc/bf16.h.

torch's own products round their results to bfloat16, and read a weight anew for each product. These keep float32, and
take operands that are rounded and laid out once: `rows` for the left one, `panels` for the right one.
"""

# M rows, K inner entries, N columns of a product.

import ctypes
import functools
import logging

import torch
from torch import Tensor

from app.common import bf16_kernels
from app.common.errors import UserError
from app.common.processor import cpuinfo, flags
from app.nets.fused.build import library

log = logging.getLogger(__name__)

LANES, STEP = 16, 32  # columns of a panel, and entries of k that are read at once: as in csrc/bf16.h
# Rows whose distance in memory is a multiple of this many entries share few places of the cache.
ALIASED = 512
# Multiplications that justify one more thread; the result is bitwise the same for any number of threads.
WORTH_A_THREAD = 1_000_000
NAMES = {bf16_kernels.AMX: "AMX", bf16_kernels.AVX512: "AVX512_BF16"}


@functools.cache
def _supported() -> tuple[str, ...]:
    """The instructions that the compiled library and the processor have, the fastest first."""
    compiled = library()
    found = 0 if compiled is None else compiled.bf16_instructions()
    return (bf16_kernels.AMX, bf16_kernels.AVX512)[2 - found :]


def instructions() -> str | None:
    """What products of bfloat16 are computed with, "AMX" or "AVX512_BF16"; None if float32 is as fast or all there is.

    Intel's AVX512_BF16 does half as many multiplications a second as its float32, AMD's twice as many.

    Raises:
        UserError: the environment asks for instructions that are not there.
    """
    wanted, supported = bf16_kernels.chosen(), _supported()
    if wanted is None:
        wanted = next((one for one in supported if one == bf16_kernels.AMX or not _intel()), bf16_kernels.OFF)
    if wanted == bf16_kernels.OFF:
        return None
    if wanted not in supported:
        without = "there is no C++ compiler" if library() is None else "this processor does not have it"
        raise UserError(f"{bf16_kernels.SWITCH} is {wanted}, but {without}; leave it out, or say {bf16_kernels.OFF}")
    return NAMES[wanted]


def _intel() -> bool:
    return cpuinfo().get("vendor_id") == "GenuineIntel"


def outer_precision() -> torch.dtype:
    """The precision of torch's products under autocast to bfloat16 where `instructions` are None.

    It is float32 where the processor does not multiply bfloat16 faster, which is logged once.
    """
    if library() is None and _fast_in_torch():
        return torch.bfloat16
    _tell_float32()
    return torch.float32


def _fast_in_torch() -> bool:
    found = set(flags())
    fast = found & {"amx_bf16", "bf16"} or ("avx512_bf16" in found and not _intel())
    return bool(fast) and bf16_kernels.chosen() != bf16_kernels.OFF


@functools.cache
def _tell_float32() -> None:
    log.warning(
        "bf16-mixed: products are in float32, since %s",
        f"{bf16_kernels.SWITCH} is {bf16_kernels.OFF}"
        if bf16_kernels.chosen() == bf16_kernels.OFF
        else "this processor does not multiply bfloat16 faster",
    )


def call(name: str, *arguments: Tensor | int | float | None, work: int) -> None:
    """Call a function of the compiled library, whose first argument is the number of threads.

    Args:
        name: of the function.
        arguments: those after the number of threads; tensors must be contiguous.
        work: multiplications, or what takes as long.
    """
    compiled = library()
    assert compiled is not None
    function = getattr(compiled, name)
    function.restype = None
    threads = max(1, min(torch.get_num_threads(), work // WORTH_A_THREAD))
    function(ctypes.c_long(threads), *map(_as_c, arguments))


def _as_c(argument: Tensor | int | float | None) -> ctypes.c_void_p | ctypes.c_long | ctypes.c_double:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, Tensor):
        assert argument.is_contiguous()
        return ctypes.c_void_p(argument.data_ptr())
    return ctypes.c_double(argument) if isinstance(argument, float) else ctypes.c_long(argument)


def tiles() -> int:
    """1 if products use AMX, else 0."""
    return int(instructions() == NAMES[bf16_kernels.AMX])


def stride(inner: int) -> int:
    """Entries from one row to the next."""
    padded = _up(inner, STEP)
    return padded if padded % ALIASED else padded + STEP


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def empty_rows(count: int, inner: int) -> Tensor:
    """Memory for rows: bfloat16 (M, at least K)."""
    return torch.empty(count, stride(inner), dtype=torch.bfloat16)


def empty_panels(inner: int, columns: int) -> Tensor:
    """Memory for panels: bfloat16, (K x N) and their padding."""
    return torch.empty(_up(columns, LANES) * _up(inner, STEP), dtype=torch.bfloat16)


def rows(x: Tensor) -> Tensor:
    """x (M, K) as rows."""
    x = x.float().contiguous()
    count, inner = x.shape
    made = empty_rows(count, inner)
    call("bf16_rows", x, count, inner, made, made.size(1), work=10 * x.numel())
    return made


def transposed_rows(of: Tensor, columns: int) -> Tensor:
    """Rows of the transpose (columns, M) of rows `of` (M, at least `columns`)."""
    made = empty_rows(columns, len(of))
    call("bf16_transposed", of, of.size(1), columns, len(of), made, made.size(1), work=10 * of.numel())
    return made


def panels_of_transpose(weight: Tensor) -> Tensor:
    """Panels of the transpose (K, N) of a weight (N, K), for `linear(x, weight)`."""
    weight = weight.float().contiguous()
    columns, inner = weight.shape
    made = empty_panels(inner, columns)
    call("bf16_columns_packed", weight, inner, columns, inner, made, work=10 * weight.numel())
    return made


def panels(weight: Tensor) -> Tensor:
    """Panels of a weight (K, N)."""
    weight = weight.float().contiguous()
    inner, columns = weight.shape
    made = empty_panels(inner, columns)
    call("bf16_rows_packed", weight, columns, columns, inner, made, work=10 * weight.numel())
    return made


def panels_of_rows(of: Tensor, columns: int) -> Tensor:
    """Panels of rows (K, at least `columns`)."""
    made = empty_panels(len(of), columns)
    call("bf16_entries_packed", of, of.size(1), columns, len(of), made, work=10 * of.numel())
    return made


def product(left: Tensor, right: Tensor, inner: int, columns: int, base: Tensor | None = None) -> Tensor:
    """The product of rows and panels, plus a bias or another matrix.

    Args:
        left: rows (M, at least K).
        right: panels of (K, N).
        inner: K.
        columns: N.
        base: float32, (N,) or (M, N).

    Returns:
        float32 (M, N).
    """
    out = torch.empty(len(left), columns)
    base = None if base is None else base.contiguous()
    base_stride = columns if base is not None and base.dim() == 2 else 0
    operands = left, left.size(1), len(left), right, inner, columns, base, base_stride, out
    call("bf16_product", tiles(), *operands, work=len(left) * inner * columns)
    return out


def sums(of: Tensor, inner: int) -> Tensor:
    """The sum of every row, float32 (M,), of rows (M, at least `inner`)."""
    made = torch.empty(len(of))
    call("bf16_sums", of, of.size(1), len(of), inner, made, work=of.numel())
    return made
