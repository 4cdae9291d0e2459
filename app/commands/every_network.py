"""Measure every network of a lottery with one command, which goes on where it was stopped."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.progress import Progress

from app.commands.progress import progress
from app.common.durations import format_duration
from app.common.errors import UserError
from app.common.files import make_directory
from app.common.lines import print_line
from app.plotting.numbers import plural, weights
from app.runs.measured_networks import Measurable, MeasuredNetworks

Measure = Callable[[Measurable, Path, Progress], str]


def measure_every_network(
    networks: MeasuredNetworks, measure: Measure, *, keep: Callable[[Mapping[str, str]], bool] = lambda row: True
) -> Path:
    """Measure the networks of a lottery that are not measured yet, and write the table of all.

    A line is printed for each, and on a terminal there are bars below. Stopped at any instant, the same command goes on
    with the network that it was at.

    Args:
        networks: of the lottery.
        measure: writes the scores of a network into a folder, and says in a few words what they are; it may add its own
            bars to those of all networks.
        keep: whether a row of a network's scores is to stand in the table.

    Returns:
        The path of the table.

    Raises:
        UserError: no network is finished, or none has trained weights.
    """
    found = networks.networks()
    if not found:
        raise UserError(
            f"{networks.run.root}: no finished network with trained weights in it; run the lottery further, with "
            "pruning.keep [final] or [best]"
        )
    missing = [network for network in found if not networks.is_measured(network)]
    if len(missing) < len(found):
        print_line(f"{plural(len(found) - len(missing), 'network')} of {len(found):,} measured already")
    began = time.monotonic()
    try:
        with progress() as bars:
            task = bars.add_task("networks", total=len(missing))
            for number, network in enumerate(missing, start=1):
                make_directory(networks.folder(network))
                said = measure(network, networks.folder(network), bars)
                networks.note(network)
                bars.advance(task)
                left = (time.monotonic() - began) / number * (len(missing) - number)
                # On a terminal the bars say how far it is.
                far = f" · {number:,}/{len(missing):,}" + (f" · {format_duration(left)} left" if left else "")
                line = f"{network.key} · density {weights(network.density)} % · {said}"
                print_line(line if bars.console.is_interactive else line + far)
    finally:
        table = networks.write_table(keep=keep)
    assert table is not None, "there are networks, and all are measured"
    _print_left_out(networks, found)
    print_line(f"table of all networks: {table}")
    return table


def _print_left_out(networks: MeasuredNetworks, found: list[Measurable]) -> None:
    """Say which networks of the run directory have no scores."""
    known = {network.key for network in found}
    others = {key: files for key, files in networks.run.networks().items() if key not in known}
    without = sum(files.done.exists() for files in others.values())
    for count, why in ((len(others) - without, "not finished"), (without, "without trained weights")):
        if count:
            print_line(f"left out: {plural(count, 'network')} {why}")
