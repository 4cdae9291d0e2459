"""The command line of `stability` and its figures, from made-up rows."""

from pathlib import Path
from typing import Any

import pytest

from app.commands import stability_figures as figures_module
from app.commands.stability import parse_arguments, run_stability
from app.commands.stability_figures import stability_figures
from app.common.errors import UserError
from app.lottery.stability.error_line import ErrorLine
from app.lottery.stability.table import StabilityRow
from app.plotting.data import DensityFigure
from app.plotting.draw import draw


def row(
    method: str, round: int, iteration: int, barrier: float, second: int = 1, experiment: str = "tiny"
) -> StabilityRow:
    return StabilityRow(
        experiment=experiment,
        replicate=0,
        method=method,
        round=round,
        density=0.8**round,
        iteration=iteration,
        first=0,
        second=second,
        metric="test_accuracy",
        error_first=0.1,
        error_second=0.2,
        error_highest=0.15 + barrier,
        barrier=barrier,
        line="line.json",
    )


LINE = ErrorLine(metric="test_accuracy", errors=[0.1, 0.3, 0.2], checksums=["a", "b"])


def test_lists_of_rounds_replicates_and_iterations() -> None:
    words = ["runs/a", "runs/b", "--round", "0,5", "--at", "0it,500it", "--replicate", "1", "--copies", "3"]
    command = parse_arguments(words)
    assert [run.root for run in command.runs] == [Path("runs/a"), Path("runs/b")]
    options = command.options
    assert (options.rounds, options.at, options.replicates) == ([0, 5], [0, 500], [1])
    assert (options.copies, options.points, options.method) == (3, 30, "iterative")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "stability: the following arguments are required: RUN"),
        (["runs/a", "--round", "two"], "--round is 'two'; expected whole numbers, such as 0,5,8"),
        (["runs/a", "--at", "2ep"], "--at is '2ep'; expected whole numbers, such as 0it,500it"),
        (["runs/a", "--threads", "0"], "--threads is 0"),
        (["runs/a", "--copies", "1"], "--copies is 1"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_arguments(words)


def test_a_directory_that_is_no_lottery_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run directory there"):
        run_stability([str(tmp_path)], lambda *_: None)
    (tmp_path / "config.yaml").write_text("model: {}\n")
    with pytest.raises(UserError, match="no lottery's run directory"):
        run_stability([str(tmp_path)], lambda *_: None)


def test_figures_against_density_and_iteration_where_there_are_several() -> None:
    one = [(row("dense", 0, 0, 0.1), LINE)]
    assert stability_figures(one).keys() == {"error_on_the_line.png", "error_on_the_line.svg", "error_on_the_line.pdf"}
    several = [(row("dense", 0, k, 0.1), LINE) for k in (0, 5)] + [(row("iterative", 2, 0, 0.3), LINE)]
    stems = {name.partition(".")[0] for name in stability_figures(several)}
    assert stems == {"error_on_the_line", "barrier_by_density", "barrier_by_iteration"}


def drawn_barriers(monkeypatch: pytest.MonkeyPatch, rows: list[StabilityRow]) -> dict[str, dict[str, Any]]:
    """The lines against density and against iteration: label to (place, least, greatest) of every mark."""
    found: dict[str, dict[str, Any]] = {}

    def note(figure: Any) -> Any:
        of_density = isinstance(figure, DensityFigure)
        lines = figure.panels[0].lines if of_density else figure.panels[""]
        found["density" if of_density else "iteration"] = {
            entry.label: [(mark.x, mark.low, mark.high) for mark in line.marks]
            for entry, line in zip(figure.legend, lines, strict=True)
        }
        return draw(figure)

    monkeypatch.setattr(figures_module, "draw", note)
    stability_figures([(each, LINE) for each in rows])
    return found


def test_pairs_of_one_network_share_a_line_of_barriers(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row("dense", 0, 0, 0.1), row("dense", 0, 0, 0.3, second=2), row("dense", 0, 5, 0.05)]
    rows += [row("iterative", 1, 0, 0.2)]
    found = drawn_barriers(monkeypatch, rows)
    assert found["iteration"] == {"dense": [(0, 0.1, 0.3), (5, 0.05, 0.05)], "iterative, 80.0 %": [(0, 0.2, 0.2)]}
    of_density = found["density"]
    assert {label: sorted(marks) for label, marks in of_density.items()} == {
        "iterative, from 0it": [(0.8, 0.2, 0.2), (1.0, 0.1, 0.3)],
        "dense, from 5it": [(1.0, 0.05, 0.05)],
    }


def test_methods_and_lotteries_have_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """All methods of a lottery are in one table, and their rounds have the same densities."""
    rows = [row("dense", 0, 0, 0.1), row("iterative", 1, 0, 0.2), row("random_mask", 1, 0, 0.6)]
    assert drawn_barriers(monkeypatch, rows)["density"] == {
        "iterative, from 0it": [(0.8, 0.2, 0.2), (1.0, 0.1, 0.1)],
        "random mask, from 0it": [(0.8, 0.6, 0.6), (1.0, 0.1, 0.1)],
    }
    rows = [
        row("dense", 0, at, barrier, experiment=name) for name, barrier in (("a", 0.1), ("b", 0.4)) for at in (0, 5)
    ]
    assert drawn_barriers(monkeypatch, rows)["iteration"] == {
        "a, dense": [(0, 0.1, 0.1), (5, 0.1, 0.1)],
        "b, dense": [(0, 0.4, 0.4), (5, 0.4, 0.4)],
    }
