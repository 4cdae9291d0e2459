"""`python -m app export`: a ticket as one small file, or its network for other people's runtimes."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from app import __version__
from app.commands.export_formats import (
    compare,
    exact_outputs_of,
    example_of,
    network_of,
    outputs_of,
    outputs_of_words,
    reads_words,
    recurrent_layer,
    to_onnx,
    to_onnx_of_words,
    to_sparse_state,
)
from app.commands.export_options import ExportOptions
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.lines import print_line
from app.common.states import plain_state
from app.pruning import masked, rewind
from app.pruning.compact import compact
from app.pruning.mask_coding import least_bits
from app.pruning.stored_values import TYPES
from app.runs.layout import NetworkKey, run_of
from app.runs.ticket import COMPACT, ticket_of
from app.runs.ticket_file import CODES, SCALES, VALUES, Ticket, pack, unpack

# Makes the model and the data that a run directory was made with.
Make = Callable[[Path], tuple[nn.Module, Any]]


def run_export(options: ExportOptions, make: Make) -> None:
    """Write the file that is asked for, and say how large it is and how exact.

    Args:
        options: of the command line.
        make: makes the network that tickets of a run directory belong to; called where more than a ticket is needed.

    Raises:
        UserError: no such ticket, or something that the format cannot hold.
    """
    ticket = ticket_of(options.network, options.weights)
    ticket = Ticket(ticket.masks, masked(ticket.state, ticket.masks), _notes(options))
    if options.format == "ticket" and not options.compact:
        _write(options.out, _packed(ticket, TYPES[options.values]))
        return
    model, source = make(options.network)
    layer = recurrent_layer(model)
    if layer and options.compact:
        raise UserError(f"{layer} is recurrent, so that no unit of it is a constant; leave out --compact")
    if layer and not reads_words(model):
        raise UserError(f"{layer} is recurrent, and no language model's; choose --format ticket")
    rewind(model, ticket.state, ticket.masks)
    model.eval()
    if layer:
        _write(options.out, _of_words(model, ticket.masks, options.format))
        return
    example = example_of(model, source)
    before = outputs_of(model, example)
    if options.compact:
        exact = exact_outputs_of(model, example)
        ticket = _compacted(ticket, model)
        rounding = float((exact_outputs_of(model, example) - exact).abs().max())
        print(f"compact: {compare(outputs_of(model, example), before)}; by {rounding:.2g} if computed in float64")
    if options.format == "ticket":
        _write(options.out, _packed(ticket, TYPES[options.values]))
    elif options.format == "onnx":
        _write(options.out, to_onnx(model, example))
    else:
        data = to_sparse_state(model, ticket.masks)
        print(f"sparse: {compare(outputs_of(model, example), before)}")
        _write(options.out, data)


def _of_words(model: nn.Module, masks: Mapping[str, Tensor], form: str) -> bytes:
    """The file of a recurrent language model for other runtimes."""
    if form == "onnx":
        return to_onnx_of_words(model)
    before = outputs_of_words(model)
    data = to_sparse_state(model, masks)
    print(f"sparse: {compare(outputs_of_words(model), before, 'words')}")
    return data


def _notes(options: ExportOptions) -> dict[str, Any]:
    run = run_of(options.network)
    assert run is not None
    key = NetworkKey.of_path(options.network.resolve().relative_to(run.root).as_posix())
    assert key is not None
    return {"weights": options.weights, "experiment": run.name, "network": key.path, "trees-and-tickets": __version__}


def _compacted(ticket: Ticket, model: nn.Module) -> Ticket:
    """Shrink a model, say what went, and return the ticket of what is left."""
    net = network_of(model)
    prefix = "" if net is model else "net."
    inside = {name.removeprefix(prefix): mask for name, mask in ticket.masks.items()}
    sizes = compact(net, inside)
    state = plain_state(model)
    before, after = (sum(each[name].numel() for name in ticket.masks) for each in (ticket.state, state))
    units = ", ".join(f"{name} {size.before:,} -> {size.after:,}" for name, size in sizes.items())
    print_line(f"units: {units or 'none can be removed'}; prunable weights, zeros included: {before:,} -> {after:,}")
    masks = {prefix + name: mask for name, mask in inside.items()}
    return Ticket(masks, state, ticket.notes | {COMPACT: {name: list(size) for name, size in sizes.items()}})


def _packed(ticket: Ticket, dtype: torch.dtype) -> bytes:
    """The file of a ticket; prints its size, and the error of its values."""
    exact = all(ticket.state[name].dtype == dtype for name in ticket.masks)
    data = pack(ticket.masks, ticket.state, dtype=None if exact else dtype, notes=ticket.notes)
    stored = safetensors.torch.load(data)
    print_line(_sizes(ticket, data, stored))
    if not exact:
        print_line(_errors(ticket, unpack(data, stored)))
    return data


def _sizes(ticket: Ticket, data: bytes, stored: Mapping[str, Tensor]) -> str:
    """One line on where the bytes go."""
    taken = {name: value.numel() * value.element_size() for name, value in stored.items()}
    codes = taken.pop(CODES)
    values = sum(size for name, size in taken.items() if name.startswith(VALUES) or name == SCALES)
    rest = sum(taken.values()) - values
    least = math.fsum(least_bits(mask.numel(), int(mask.sum())) for mask in ticket.masks.values()) / 8
    ratio = f", {codes / least:.3f} of the limit" if least else ""
    dense = sum(value.numel() * value.element_size() for value in ticket.state.values())
    return (
        f"bytes: {len(data):,} in all; masks {codes:,}{ratio}, surviving weights {values:,}, everything else {rest:,}, "
        f"header {len(data) - codes - values - rest:,}; dense weights {dense:,}"
    )


def _errors(ticket: Ticket, found: Ticket) -> str:
    """One line on what the type of the values costs."""
    wanted = torch.cat([ticket.state[name][mask].double() for name, mask in ticket.masks.items()])
    error = torch.cat([found.state[name][mask].double() for name, mask in ticket.masks.items()]) - wanted
    largest = float(error.abs().max()) if len(error) else 0.0
    relative = float(error.norm() / wanted.norm()) if bool(wanted.any()) else 0.0
    return f"error of surviving weights: largest {largest:.3g}, root mean square {relative:.3%} of the weights'"


def _write(path: Path, data: bytes) -> None:
    if path.exists() and path.read_bytes() != data:
        raise UserError(f"{path}: is there already and has other contents; move it away, or name another file")
    write_atomically(path, data)
    print(f"written: {path}")
