"""The matrix of transferred tickets, against numbers that were written by hand."""

from helpers.made_up_run import changed, lottery_of, result

from app.plotting.draw import draw
from app.report.lottery_run import LotteryRun
from app.report.tables import NONE
from app.report.transfer import transfer_pictures, transfer_section


def run(name: str, **accuracies: list[float]) -> LotteryRun:
    """A lottery whose methods have these test accuracies, one replicate each."""
    rows = []
    for method, values in accuracies.items():
        for replicate, value in enumerate(values):
            row = result(method, 0 if method == "dense" else 1, replicate)
            rows.append(changed(row, experiment=name, early_stop_test_accuracy=value))
    return lottery_of(rows, name)


MNIST = run("mnist", dense=[0.9], iterative=[0.95])
CIFAR = run(
    "cifar",
    dense=[0.5],
    iterative=[0.6, 0.64],
    transferred_from_mnist=[0.55],
    random_ticket_of_transferred_from_mnist=[0.4],
)


def test_rows_are_sources_and_columns_are_targets() -> None:
    (section,) = transfer_section([MNIST, CIFAR, run("another", dense=[0.1], iterative=[0.2])])
    (table,) = section.tables
    assert table.header == ("Ticket found on", "mnist", "cifar")
    assert list(table.rows) == [
        ("mnist", "95.00", "55.00"),
        ("cifar", NONE, f"62.00 (60.00{NONE}64.00)"),
        ("random ticket", NONE, "40.00"),
        ("dense network", "90.00", "50.00"),
    ]
    assert section.extent == "Tickets of mnist trained in mnist, cifar."


def test_the_figure_has_the_same_numbers() -> None:
    (picture,) = transfer_pictures([CIFAR])
    assert picture.source.rows == ["cifar", "mnist", "random ticket", "dense network"]
    assert [list(row) for row in picture.source.panels[0].texts] == [["62.00"], ["55.00"], ["40.00"], ["50.00"]]
    assert "mnist: 55.00 % in cifar." in picture.alt
    drawn = {text.get_text() for text in draw(picture.source).axes[0].texts}
    assert drawn == {"62.00", "55.00", "40.00", "50.00"}


def test_without_tickets_of_another_lottery_there_is_nothing() -> None:
    assert transfer_section([MNIST]) == transfer_pictures([MNIST]) == []
