"""metrics.csv and results.csv: rows in, the same rows out, and one line for what is no row."""

import csv
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers.command import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

from app.common.errors import UserError
from app.runs.layout import NetworkKey
from app.runs.table import HEAD, MetricsFile, Result, read_metrics, read_results, write_results

floats = st.floats(allow_nan=True, width=64)
columns = st.text('abc,"\n ü_', min_size=1, max_size=6)
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
some_rows = st.lists(
    st.builds(
        lambda iteration, row: {"iteration": iteration, **row},
        st.integers(0, 10**9),
        st.dictionaries(columns, floats, max_size=4),
    ),
    max_size=6,
)


def like(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Equal, nan being like nan."""
    return first.keys() == second.keys() and all(
        first[name] == second[name] or (first[name] != first[name] and second[name] != second[name]) for name in first
    )


def filled(rows: list[dict[str, float]], known: list[str]) -> list[dict[str, float]]:
    """What a table of these rows says: every column in every row."""
    everything = dict.fromkeys(["iteration", *known, *(name for row in rows for name in row)])
    return [{name: row.get(name, math.nan) for name in everything} for row in rows]


def alike(found: list[dict[str, float]], wanted: list[dict[str, float]]) -> bool:
    return len(found) == len(wanted) and all(map(like, found, wanted))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


# metrics.csv


@settings(max_examples=60)
@given(some_rows, st.lists(columns, max_size=3, unique=True))
def test_rows_come_back_whatever_columns_they_bring(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, float]], known: list[str]
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.csv"
    table = MetricsFile(path, known)
    table.cut(0)
    for number, row in enumerate(rows):
        table.append(row)
        assert alike(read_metrics(path), filled(rows[: number + 1], known))


@settings(max_examples=60)
@given(some_rows, some_rows, st.data())
def test_a_training_that_goes_on_cuts_what_came_after_its_checkpoint(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[dict[str, float]],
    after: list[dict[str, float]],
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.csv"
    first = MetricsFile(path)
    first.cut(0)
    for row in before:
        first.append(row)
    with open(path, "a") as file:
        file.write(data.draw(st.sampled_from(["", "12", "12,", "12,0.2"])))  # killed while it wrote
    kept = data.draw(st.integers(0, len(before)))
    second = MetricsFile(path)
    second.cut(kept)
    for row in after:
        second.append(row)
    found = read_metrics(path)
    wanted = before[:kept] + after
    assert [row["iteration"] for row in found] == [row["iteration"] for row in wanted]
    for row, want in zip(found, wanted, strict=True):
        assert like({name: row[name] for name in want}, want)
        assert all(math.isnan(row[name]) for name in row.keys() - want.keys())


def test_the_file_as_it_lies_there(path: Path) -> None:
    table = MetricsFile(path, ["val_loss"])
    table.cut(0)
    assert path.read_text() == "iteration,val_loss\n"
    table.append({"iteration": 0, "val_loss": math.nan})
    table.append({"iteration": 5, "val_loss": 0.1 + 0.2})
    assert path.read_text() == "iteration,val_loss\n0,\n5,0.30000000000000004\n"
    table.append({"iteration": 9, "more": 1.5})
    assert path.read_text() == "iteration,val_loss,more\n0,,\n5,0.30000000000000004,\n9,,1.5\n"


def test_a_row_is_in_the_file_when_append_returns(path: Path) -> None:
    table = MetricsFile(path, ["x"])
    table.cut(0)
    with open(path) as reader:
        for number in range(3):
            table.append({"iteration": number, "x": 0.5})
            reader.seek(0)
            assert len(reader.read().splitlines()) == number + 2


def test_a_last_line_that_was_not_finished_is_passed_over(path: Path) -> None:
    path.write_text("iteration,x\n1,0.5\n2,0.")
    assert read_metrics(path) == [{"iteration": 1, "x": 0.5}]
    for begun in ("", "iter", "iteration,x"):
        path.write_text(begun)
        assert read_metrics(path) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("iteration,x\n1,one\n", 2),
        ("iteration,x\n1,2\n2\n", 3),
        ("iteration,x\n1,2,3\n", 2),
        ("iteration,x\n,2\n", 2),
        ("iteration,x\nnan,2\n", 2),
        ("iteration,x\ninf,2\n", 2),
        ("step,x\n1,2\n", 2),
        ("iteration,x\n\n", 2),
        ('iteration,x\n1,"a\nb"\n', 3),
        (f'iteration,x\n1,"{"9" * 140000}"\n', 2),
    ],
)
def test_a_row_that_is_none_is_named_by_its_line(path: Path, text: str, line: int) -> None:
    path.write_text(text)
    with pytest.raises(UserError, match=rf"metrics\.csv, line {line}: not a row of this table") as raised:
        read_metrics(path)
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"iteration,x\n\xff\xfe\n")
    for name, says in {
        "nowhere": "no such file",
        "binary": "binary, line 2: not UTF-8",
        ".": "cannot be read",
    }.items():
        for read in (read_metrics, read_results):
            with pytest.raises(UserError, match=says) as raised:
                read(tmp_path / name)
            assert "\n" not in str(raised.value)


# results.csv

results = st.builds(
    Result,
    experiment=names,
    replicate=st.integers(0, 99),
    method=names,
    round=st.integers(0, 99),
    branch=st.integers(0, 9),
    density=st.floats(0, 1),
    early_stop_iteration=st.integers(0, 10**9),
    values=st.dictionaries(
        st.builds("{}_{}".format, st.sampled_from(["early_stop", "final"]), st.text("ab,", min_size=1, max_size=3)),
        floats,
        max_size=5,
    ),
    seconds=st.floats(0, 1e9),
)


@given(results)
def test_flat_and_from_flat_are_inverse(row: Result) -> None:
    for flat in (row.flat(), json.loads(json.dumps(row.flat()))):
        assert like(Result.from_flat(flat).flat(), row.flat())
    assert row.key == NetworkKey(row.replicate, row.method, row.round, row.branch)


def test_json_without_nan_has_null_instead() -> None:
    flat = {**RESULT.flat(), "final_x": None}
    assert math.isnan(Result.from_flat(flat).value("final_x"))


RESULT = Result(
    experiment="e",
    replicate=1,
    method="iterative",
    round=2,
    branch=3,
    density=0.25,
    early_stop_iteration=40,
    values={"final_x": 0.5},
    seconds=1.5,
)


def test_a_number_by_its_column() -> None:
    values = {"replicate": 1.0, "round": 2.0, "branch": 3.0, "density": 0.25, "early_stop_iteration": 40.0}
    for name, value in (values | {"final_x": 0.5, "seconds": 1.5}).items():
        assert RESULT.value(name) == value
    assert math.isnan(RESULT.value("final_y"))
    assert math.isnan(RESULT.value("experiment"))
    assert math.isnan(RESULT.value("values"))


@settings(max_examples=60)
@given(st.lists(results, max_size=5))
def test_a_table_is_the_union_of_its_rows(tmp_path_factory: pytest.TempPathFactory, rows: list[Result]) -> None:
    path = tmp_path_factory.mktemp("results") / "results.csv"
    write_results(path, rows)
    found = read_results(path)
    union = {name for row in rows for name in row.values}
    assert len(found) == len(rows)
    for row, want in zip(found, rows, strict=True):
        assert like(row.values, {name: want.values.get(name, math.nan) for name in union})
        assert all(getattr(row, name) == getattr(want, name) for name in HEAD)
        assert row.seconds == want.seconds
    with open(path, newline="") as file:
        header = next(csv.reader(file))
    assert header[: len(HEAD)] == list(HEAD)
    assert header[-2:] == ["iterations", "seconds"]
    early = [name.startswith("early_stop_") for name in header[len(HEAD) : -2]]
    assert early == sorted(early, reverse=True)


def test_where_a_training_ended_may_be_unknown(tmp_path: Path) -> None:
    """As in tables from before there was the column."""
    known = Result.from_flat({**RESULT.flat(), "branch": 4, "iterations": 70})
    assert (known.iterations, known.value("iterations")) == (70, 70.0)
    write_results(tmp_path / "results.csv", [RESULT, known])
    assert [row.iterations for row in read_results(tmp_path / "results.csv")] == [None, 70]
    old = {name: value for name, value in RESULT.flat().items() if name != "iterations"}
    assert Result.from_flat(old) == RESULT
    assert math.isnan(RESULT.value("iterations"))


def test_metrics_stand_in_the_order_in_which_rows_bring_them(tmp_path: Path) -> None:
    second = Result.from_flat({**RESULT.flat(), "early_stop_b": 1.0, "final_a": 1.0})
    write_results(tmp_path / "results.csv", [RESULT, second])
    header = (tmp_path / "results.csv").read_text().splitlines()[0].split(",")
    assert header[len(HEAD) :] == ["early_stop_b", "final_x", "final_a", "iterations", "seconds"]


def test_a_table_of_an_older_release_with_fewer_columns() -> None:
    path = REPOSITORY / "docs/lenet_mnist_short/results.csv"
    rows = read_results(path)
    with open(path, newline="") as file:
        wanted = list(csv.DictReader(file))
    assert len(rows) == len(wanted) > 10
    for row, want in zip(rows, wanted, strict=True):
        assert (row.experiment, row.method) == (want["experiment"], want["method"])
        for name in want.keys() - {"experiment", "method"}:
            assert row.value(name) == float(want[name])
        assert math.isnan(row.value("final_test_loss"))


HEADER = "experiment,replicate,method,round,branch,density,early_stop_iteration,final_x,seconds\n"
GOOD = "e,0,dense,0,0,1.0,4,0.5,2.0\n"


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        read_results(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    "row",
    [
        *("e,0,dense,0,0,1.0,4,0.5\n", "e,0,dense,0,0,1.0,4,0.5,2.0,3\n", "e,zero,dense,0,0,1.0,4,0.5,2.0\n"),
        *("e,0,dense,0,0,1.0,,0.5,2.0\n", "e,0,dense,0.5,0,1.0,4,0.5,2.0\n", "e,0,dense,0,0,1.0,4,high,2.0\n"),
        *('"e,0,dense,0,0,1.0,4,0.5,2.0\n', 'e,0,dense,0,0,1.0,4,"a\nb",2.0\n', "<html>\n"),
        f"e,{'9' * 5000},dense,0,0,1.0,4,0.5,2.0\n",
        f"{'e' * 140000},0,dense,0,0,1.0,4,0.5,2.0\n",
    ],
)
def test_a_hostile_row_is_one_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "results.csv"
    path.write_text(HEADER + GOOD + row)
    assert "not a row of this table" in refusal(path)


@pytest.mark.parametrize("strange", ["colour", '"two\nlines"', '""'])
def test_a_column_that_is_none_of_ours(tmp_path: Path, strange: str) -> None:
    path = tmp_path / "results.csv"
    path.write_text(HEADER.replace("final_x", strange) + GOOD)
    assert "unknown column" in refusal(path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    for header, missing in ((HEADER.replace("round", "runde"), "round"), ("", "experiment, replicate"), ("\n", "exp")):
        path.write_text(header + GOOD)
        assert f"has no column {missing}" in refusal(path)


def read_or_refused(read: Callable[[Path], Any], path: Path) -> str:
    """What is said of a table; nothing where it can be read."""
    try:
        read(path)
    except UserError as error:
        return str(error)
    return ""


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    for read in (read_metrics, read_results):
        assert "\n" not in read_or_refused(read, path)


@given(st.text('e0,.\n"-x', max_size=60))
def test_any_rows_under_a_header_are_rows_or_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for read, header in ((read_metrics, "iteration,x\n"), (read_results, HEADER)):
        path.write_text(header + text)
        assert "\n" not in read_or_refused(read, path)
