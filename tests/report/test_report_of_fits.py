"""Reports of trainings by `fit`: what is drawn and said, and what a mistake gets."""

import base64
import math
import re
import shlex
from pathlib import Path
from statistics import fmean

import pytest
from helpers.fits import DATA, classifier_rows, made_up, write_fit, write_notes, write_rows
from helpers.pages import Outside
from hypothesis import given
from hypothesis import strategies as st

from app.plotting.iterations import complete
from app.report import ReportFiles, report
from app.report.build import KINDS
from app.report.fit_document import fit_document
from app.report.fit_figures import fit_figures
from app.report.fit_findings import fit_findings
from app.report.fit_run import read_fits
from app.report.fit_series import fit_line
from app.report.fit_tables import fit_provenance_table, validations_table
from app.report.parses import read_drawings, scores_tables
from app.runs.output_directory import WRITTEN
from app.runs.table import read_metrics

STEMS = ("val_perplexity", "uf1_layers", "tree_1", "tree_2", "tree_3")


@pytest.fixture(scope="module")
def reported(fits: Path) -> ReportFiles:
    return report([fits / "many", fits / "one/seed_4"], fits / "out")


def test_files_and_what_the_page_holds(reported: ReportFiles):
    out = reported.html.parent
    # What parse draws may be from before it wrote PDF.
    names = {f"{stem}.{kind}" for stem in STEMS for kind in KINDS if kind != "pdf" or not stem.startswith("tree_")}
    assert {path.name for path in out.iterdir()} == names | {"report.html", "report.md", "tables.tex", WRITTEN}
    assert {path.name for path in reported.figures} == names
    page = Outside()
    page.feed(reported.html.read_text())
    assert tuple(page.charts) == STEMS[:2]
    assert all(page.charts.values())
    for (source, alt), stem in zip(page.pictures, STEMS[2:], strict=True):
        assert base64.b64decode(source.partition("base64,")[2]) == (out / f"{stem}.svg").read_bytes()
        assert alt
    assert all(each.startswith(("data:image/svg+xml;base64,", "#")) or each in names for each in page.references)
    assert not re.search(r"https?:|url\(|@import", page.words)


def test_both_pages_tell_provenance_tables_and_the_command(reported: ReportFiles, fits: Path):
    command = shlex.join(
        ["python", "-m", "app", "report", *(str(fits / name) for name in ("many", "one/seed_4", "out"))]
    ).replace(f" {fits / 'out'}", f" --out {fits / 'out'}")
    text, html = reported.markdown.read_text(), reported.html.read_text()
    assert f"\n    {command}\n" in text
    assert f"<pre>{command}</pre>" in html
    for line in (
        "| seeds | 0, 1, 10 |",
        "| seed | 4 |",
        "| torch | 2.13.0 |",
        f"| SHA-256 of train.txt | {'ab' * 32} |",
    ):
        assert line in text
        first, second = line.strip("| ").split(" | ")
        assert f'<th scope="row" class="words">{first}</th><td class="words">{second}</td>' in html
    assert re.findall(r"\]\((.+)\)", text) == [f"{stem}.png" for stem in STEMS]
    assert text.count("| layer 1, shen2018 |") == 1
    last = read_metrics(fits / "one/seed_4/metrics.csv")[-1]
    assert f"\n| 5 | {last['iteration']:,} | " in text
    assert f" | {last['val_perplexity']:,.2f} | {last['uf1_layer_1']:.1f} | " in text


def test_the_same_rows_give_the_same_bytes(tmp_path: Path):
    run = write_fit(tmp_path, "e", validations=2)
    first = {path: path.read_bytes() for path in (run / "report").iterdir()} if report([run]) else {}
    report([run])
    assert {path: path.read_bytes() for path in (run / "report").iterdir()} == first
    assert first[run / "report/report.md"].decode().endswith(f"\n    python -m app report {run}\n")


@pytest.mark.parametrize(
    ("given_dirs", "place"),
    [
        (("a",), "a/report"),
        (("a/seed_0",), "a/seed_0/report"),
        (("a/seed_0", "a/seed_1"), "a/report"),
        (("a", "b"), "report"),
    ],
)
def test_where_a_report_goes(given_dirs, place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.report.build._contents", lambda document: {"report.html": document.command})
    for experiment, seed in (("a", 0), ("a", 1), ("b", 0)):
        write_fit(tmp_path, experiment, seed, 1)
    files = report([tmp_path / name for name in given_dirs])
    assert files.html == tmp_path / place / "report.html"


@given(
    st.lists(st.lists(st.one_of(st.just(math.nan), st.floats(0, 1e6)), min_size=1, max_size=6), min_size=1, max_size=4)
)
def test_lines_are_means_over_the_seeds_that_measured(values: list[list[float]]):
    experiment = made_up(
        *(
            [{"iteration": 100 * index + seed, "x": value} for index, value in enumerate(column, 1)]
            for seed, column in enumerate(values)
        )
    )
    expected = []
    for index in range(max(map(len, values))):
        there = [(seed, column[index]) for seed, column in enumerate(values) if index < len(column)]
        there = [(seed, value) for seed, value in there if not math.isnan(value)]
        if there:
            at = fmean(100 * (index + 1) + seed for seed, _ in there)
            found = [value for _, value in there]
            expected.append((index + 1, at, fmean(found), min(found), max(found), len(found)))
    line = fit_line(experiment, "x")
    got = [(p.number, p.iteration, p.value.mean, p.value.low, p.value.high, p.value.n) for p in line]
    assert [row[0] for row in got] == [row[0] for row in expected]
    assert [row[3:] for row in got] == [row[3:] for row in expected]
    assert [x for row in got for x in row[1:3]] == pytest.approx([x for row in expected for x in row[1:3]])
    counts = [point.value.n for point in line]
    assert [mark.n for mark in complete([point.value.mark(point.iteration) for point in line])] == counts[
        : next((i for i, n in enumerate(counts) if n != counts[0]), None)
    ]


def test_table_by_validation(fits: Path):
    (many,) = read_fits([fits / "many"])
    table = validations_table(many)
    assert table.header[:2] == ("Validation", "Iteration")
    assert [row[0] for row in table.rows] == [str(number) for number in range(1, 9)]
    assert [row[-1] for row in table.rows] == ["3"] * 3 + ["2"] * 5
    perplexities = [fit.rows[7]["val_perplexity"] for fit in many.trainings[:2]]
    cell = table.rows[7][table.header.index("Validation perplexity")]
    assert cell == f"{fmean(perplexities):.2f} ({min(perplexities):.2f}\N{EN DASH}{max(perplexities):.2f})"


def test_trees_that_are_not_parsed_each_time(fits: Path):
    (one,) = read_fits([fits / "one"])
    table = validations_table(one)
    column = [row[table.header.index("UF1, layer 3 (%)")] for row in table.rows]
    assert [cell == "\N{EN DASH}" for cell in column] == [False, True, False, True, False]
    assert len(fit_line(one, "uf1_layer_3")) == 3


def test_a_classifier_is_shown_its_loss_and_its_accuracy(tmp_path: Path):
    write_rows(tmp_path / "lenet/seed_0", classifier_rows("c", 4))
    write_notes(tmp_path / "lenet/seed_0")
    (experiment,) = read_fits([tmp_path / "lenet"])
    assert list(fit_figures([experiment])) == ["val_loss", "val_accuracy"]
    table = validations_table(experiment)
    assert [row[0] for row in table.rows] == ["0", "1", "2", "3"], "a validation before any training has the number 0"
    losses = [row[table.header.index("Train loss")] for row in table.rows]
    assert [loss == "\N{EN DASH}" for loss in losses] == [True, False, False, False]
    assert "exact" not in " ".join(fit_document([experiment], "").reading)
    said = fit_findings(experiment).by_subject
    assert list(said) == ["Validation loss", "Validation accuracy", "Test accuracy"]
    assert "ighest" not in said["Test accuracy"][0]


def test_findings_of_one_seed():
    rows = [
        {"iteration": 10 * number, "val_loss": math.log(value), "val_perplexity": value, "uf1_layer_1": f1}
        for number, (value, f1) in enumerate([(30.0, 40.0), (20.0, 50.5), (25.0, 60.0)], 1)
    ]
    found = fit_findings(made_up(rows))
    assert found.by_subject == {
        "Validation perplexity": ["Least 20.00, at iteration 20.", "At the last validation, iteration 30: 25.00."],
        "UF1": ["Layer 1: 50.5 % where the validation loss is least; highest 60.0 %, at iteration 30."],
    }
    assert found.basis.startswith("One seed")
    falling = fit_findings(made_up(rows[:2])).by_subject["Validation perplexity"]
    assert falling == ["Least 20.00, at the last validation, iteration 20: it may not have stopped falling."]


def test_findings_of_several_seeds_are_means_of_each_ones_own():
    losses = [[3.0, 1.0, 2.0], [3.0, 2.5]]
    experiment = made_up(*([{"iteration": 10 * n, "val_loss": x} for n, x in enumerate(each, 1)] for each in losses))
    found = fit_findings(experiment)
    assert found.by_subject["Validation loss"] == [
        "Least 1.7500 (1.0000\N{EN DASH}2.5000), at iteration 20.",
        "At the last validation, iterations 20 to 30: 2.2500 (2.0000\N{EN DASH}2.5000).",
    ]
    assert "seed 1 (2 validations)" in found.basis


def test_seeds_that_differ_in_what_made_them_are_told(tmp_path: Path):
    for seed, torch in ((0, "2.13.0"), (1, "2.12.0"), (2, "2.13.0")):
        run = write_fit(tmp_path, "e", seed, 1)
        write_notes(run, seed=seed, versions={"torch": torch}, checksums={"data": DATA if seed else {}})
    (experiment,) = read_fits([tmp_path / "e"])
    rows = dict(fit_provenance_table(experiment).rows)
    assert rows["torch"] == "2.13.0 (seed 0, 2); 2.12.0 (seed 1)"
    assert rows["SHA-256 of train.txt"] == f"\N{EN DASH} (seed 0); {'ab' * 32} (seed 1, 2)"
    assert "same data" in fit_document([experiment], "").reading[-1]


def test_parses_are_shown_as_the_terminal_shows_them(fits: Path, tmp_path: Path):
    (one,) = read_fits([fits / "one"])
    (table,) = scores_tables(one)
    assert table.header == ("", "UF1 \N{LESS-THAN OR EQUAL TO} 10", "UF1", "Kim", "corpus", "+root", "depth")
    assert table.rows == [
        ("right-branching", "40.4", "36.0", "36.0", "32.4", "40.2", "5.8"),
        ("layer 1, shen2018", "100.0", "54.5", "\N{EN DASH}", "47.9", "53.8", "3.9"),
    ]
    assert table.caption == "parses, seed 4: 1,000 sentences, 558 of them of at most 10 words (F1 in %)"
    found = read_drawings([one])
    assert [drawing.sentence for drawing in found] == [2, 10, 348]
    assert (found[0].gold, found[0].svg, found[0].png) == ("(the (old cat))", b"<svg>svg 2</svg>", b"<svg>png 2</svg>")
    assert found[1].gold == ""
    (none,) = read_fits([write_fit(tmp_path, "unparsed")])
    assert (scores_tables(none), read_drawings([none])) == ([], [])


def test_names_of_experiments_are_no_marks(tmp_path: Path):
    name = "a_*b* <i> [c](d) & e"
    (experiment,) = read_fits([write_fit(tmp_path, name, validations=1)])
    document = fit_document([experiment], "x")
    assert document.title == f"Training: {name}"
    files = report([tmp_path / name], tmp_path / "out")
    assert "<i>" not in files.html.read_text()
    assert not re.search(r"(?<!\\)<i|(?<!\\)\[c", files.markdown.read_text().rpartition("## Made by")[0])


def test_a_copy_of_one_training_is_named_after_its_folder(tmp_path: Path):
    run = write_fit(tmp_path, "e", validations=1)
    run.rename(tmp_path / "on_lstm")
    assert [experiment.name for experiment in read_fits([tmp_path / "on_lstm"])] == ["on_lstm"]


def test_seeds_of_two_machines_are_pooled(tmp_path: Path):
    for machine, seed in (("a", 1), ("b", 0)):
        write_fit(tmp_path / machine, "e", seed, 2)
    (experiment,) = read_fits([tmp_path / "a/e", tmp_path / "b/e/seed_0"])
    assert [training.seed for training in experiment.trainings] == [0, 1]
