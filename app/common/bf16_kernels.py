"""Whether the CPU kernels for bfloat16 are used, and with which instructions; an environment variable can choose."""

import os

from app.common.errors import UserError

SWITCH = "TREES_TICKETS_BF16"  # environment variable
AMX, AVX512, OFF = "amx", "avx512", "off"


def chosen() -> str | None:
    """One of AMX, AVX512 and OFF; None if the processor decides.

    Raises:
        UserError: the environment says something else.
    """
    value = os.environ.get(SWITCH, "")
    if value not in ("", AMX, AVX512, OFF):
        raise UserError(f"{SWITCH} is {value!r}; expected {AMX}, {AVX512} or {OFF}, or nothing")
    return value or None
