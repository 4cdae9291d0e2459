"""Paths that name tickets of other run directories, and what is recorded of them."""

from pathlib import Path

import pytest

from app.common.errors import UserError
from app.runs.layout import RunLayout
from app.runs.source_ticket import TicketSource, claim_tickets


@pytest.mark.parametrize(
    ("path", "parts", "name", "directory"),
    [
        ("runs/mnist", (None, "iterative", None), "mnist", "replicate_1/iterative/round_02"),
        ("runs/mnist/replicate_0/iterative", (0, "iterative", None), "mnist", "replicate_0/iterative/round_02"),
        ("runs/x/replicate_3/snip/round_12", (3, "snip", 12), "x.snip", "replicate_3/snip/round_02"),
    ],
)
def test_what_a_path_names(path: str, parts: tuple[object, ...], name: str, directory: str) -> None:
    source = TicketSource.parse(path, "from_ticket")
    assert (source.replicate, source.method, source.round) == parts
    assert source.name == name
    assert source.files(1, 2).root.as_posix().endswith(f"{source.place.name}/{directory}")


@pytest.mark.parametrize(
    "path", ["runs/x/replicate_0", "runs/x/replicate_0/round_00", "runs/x/replicate_0/iterative/round_01/control_0"]
)
def test_other_directories_are_refused(path: str) -> None:
    with pytest.raises(UserError, match=r"from_ticket is .*; expected a ticket, as in runs/X"):
        TicketSource.parse(path, "from_ticket")


def test_another_ticket_than_before_is_refused(tmp_path: Path) -> None:
    run, network = RunLayout(tmp_path), "replicate_0/transferred_from_x/round_01"
    claim_tickets(run, {network: {"mask": "a" * 64, "start": "b" * 64}})
    claim_tickets(run, {network: {"mask": "a" * 64, "start": "b" * 64}, "another": {"mask": "c", "start": "d"}})
    with pytest.raises(
        UserError, match=r"was begun with another ticket \(SHA-256 of its start: bbbbbbbbbbbb\.\.\. -> "
    ):
        claim_tickets(run, {network: {"mask": "a" * 64, "start": "e" * 64}})
