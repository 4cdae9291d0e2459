"""The command line of `python -m app export`, read before torch is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import unwritable
from app.runs.layout import run_of

FORMATS = ("ticket", "onnx", "torch")
VALUE_TYPES = ("float32", "bfloat16", "float16", "int8")  # names of what `app.pruning.stored_values` stores


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What the command line asks for.

    Args:
        network: directory of a network of a lottery.
        out: the file to write.
        format: one of `FORMATS`.
        weights: that the ticket began with, or ended with.
        values: the type of surviving weights, one of `VALUE_TYPES`.
        compact: whether units that are cut off are removed.
    """

    network: Path
    out: Path
    format: str
    weights: Literal["start", "final"]
    values: str
    compact: bool


def parse_arguments(argv: Sequence[str]) -> ExportOptions:
    """Read a command line.

    Raises:
        UserError: it is wrong, names no network of a lottery, or no file to write.
    """
    parser = Parser(
        prog="python -m app export",
        description="Write a ticket as one small file that runs no code when it is read (docs/tickets.md), or its "
        "network for other runtimes.",
    )
    parser.add_argument("network", metavar="RUN/.../round_NN", type=Path, help="the directory of a lottery's network")
    parser.add_argument("out", metavar="OUT", type=Path, help="the file to write")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="ticket",
        help="ticket: masks and surviving weights, for load_ticket; onnx (of a language model, one word a step); "
        "torch: a state whose masked weights are torch.sparse_csr (default: %(default)s)",
    )
    parser.add_argument(
        "--weights", choices=("final", "start"), default="final", help="trained or starting weights (%(default)s)"
    )
    parser.add_argument(
        "--values",
        choices=VALUE_TYPES,
        default="float32",
        help="of a ticket, how surviving weights are stored; int8 has a scale per row (%(default)s)",
    )
    parser.add_argument(
        "--compact", action="store_true", help="remove units that nothing enters or nothing reads, biases folded in"
    )
    found = parser.parse_args(argv)
    if found.format != "ticket" and found.values != "float32":
        raise UserError(f"export: --values {found.values} is of --format ticket; leave it out with {found.format}")
    if run_of(found.network) is None:
        raise UserError(
            f"{found.network}: no network of a lottery; name one, as in runs/X/replicate_0/iterative/round_07"
        )
    if found.out.is_dir():
        raise UserError(f"{found.out} is a directory; name a file")
    if reason := unwritable(found.out.parent):
        raise UserError(f"{found.out}: cannot be written ({reason}); name another file")
    return ExportOptions(**vars(found))
