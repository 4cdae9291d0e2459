"""What a report shows follows the schema: other metrics, other methods, and one network of a lottery."""

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.made_up_run import (
    LANGUAGE_METRICS,
    METHODS,
    METRICS,
    as_language_model,
    changed,
    lottery_of,
    result,
    write_run,
)
from rich.console import Console

from app.common.errors import UserError
from app.common.metrics import Metric, Schema, accuracy, described, headline_metrics, loss, percentage, perplexity
from app.report import report, summary_table
from app.report.document import Document
from app.report.lottery_document import lottery_document, methods_of
from app.report.lottery_figures import density_picture
from app.report.lottery_findings import lottery_findings
from app.report.lottery_run import read_lotteries
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION
from app.report.tables import method_tables
from app.runs.best_validation import BestValidation
from app.runs.layout import NetworkKey
from app.runs.schema import MethodNote, RunSchema
from app.runs.table import MetricsRow, read_results, write_results

DOCS = Path(__file__).parents[2] / "docs"
SENTENCES = percentage("test_sentences", "Correct sentences")


def stems(document: Document) -> list[str]:
    return [picture.stem for picture in document.pictures]


def documented(run: Path) -> Document:
    return lottery_document(read_lotteries([run]), "command")


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (METRICS, ["test_accuracy"]),
        (LANGUAGE_METRICS, ["test_perplexity"]),
        (LANGUAGE_METRICS[:3], ["val_perplexity"]),
        ([loss("val_loss"), accuracy("val_accuracy", detail=True)], ["val_loss"]),
        ([loss("test_loss"), accuracy("val_accuracy"), accuracy("train_accuracy")], ["test_loss"]),
        ([*METRICS, SENTENCES], ["test_accuracy", "test_sentences"]),
        ([loss("val_loss"), Metric(name="val_norm")], ["val_loss"]),
        ([Metric(name="test_norm")], ["test_norm"]),
        ([loss("train_loss")], []),
    ],
)
def test_headline_metrics(metrics, expected):
    assert [metric.name for metric in headline_metrics(metrics)] == expected


def test_columns_that_nothing_declares_get_words_and_variants_are_details():
    names = ["val_loss", "val_loss_exact", "test_top5_acc"]
    metrics = described(Schema([perplexity("val_loss_exact")]), names)
    assert [metric.title for metric in metrics.values()] == ["Validation loss", "Val loss exact", "Test top5 acc"]
    assert not any(metric.detail for metric in metrics.values()), "what is declared is as it is declared"
    assert described(Schema(), names)["val_loss_exact"].detail


def test_a_lottery_of_a_language_model(tmp_path: Path):
    run = tmp_path / "words"
    write_run(run, rounds=4, replicates=2, reinits=1, every=50, measure=as_language_model, metrics=LANGUAGE_METRICS)
    files = report([run])
    document, text = files.document, files.markdown.read_text()
    assert stems(document) == [
        "early_stop_iteration",
        "early_stop_test_perplexity",
        "final_test_perplexity",
        "early_stop_iteration_difference",
        "early_stop_test_perplexity_difference",
        "final_test_perplexity_difference",
        "test_perplexity_curves",
    ]
    assert all(path.stat().st_size > 2_000 for path in files.figures)
    assert "accura" not in text
    assert "| Test perplexity at early stop | Test perplexity at the end of training | Networks |" in text
    dense = [row for row in read_results(run / "results.csv") if row.method == "dense"]
    values = [row.value("final_test_perplexity") for row in dense]
    assert f"| {sum(values) / 2:.2f} ({min(values):.2f}\N{EN DASH}{max(values):.2f}) |" in text
    earliest, early, final, standing = document.sections[0].findings.by_subject["iterative"]
    assert "top" in earliest
    assert early.startswith("Test perplexity at early stop is lowest at ")
    assert final.startswith("Test perplexity at the end of training is lowest at ")
    assert " %, 95 % interval " in final, "a difference of perplexities is in per cent"
    assert standing.startswith("Test perplexity at early stop: on average at or below dense")
    standing, against, *_ = document.sections[0].findings.by_subject["random reinit"]
    assert ", with a test perplexity of " in against
    assert "Test perplexity: lower is better; its axis is logarithmic." in document.reading


def test_findings_go_by_the_direction_of_the_metric(tmp_path: Path):
    rows = [result("dense", 0), result("iterative", 1), result("iterative", 2), result("random_reinit", 1)]
    for index, value in enumerate((100.0, 90.0, 120.0, 130.0)):
        values = {"early_stop_test_perplexity": value, "final_test_perplexity": value}
        rows[index] = replace(rows[index], values=values)
    write_results(tmp_path / "results.csv", rows)
    (lottery,) = read_lotteries([tmp_path])
    said = lottery_findings(lottery, methods_of([lottery])).by_subject["iterative"]
    assert said[1] == (
        "Test perplexity at early stop is lowest at 80.0 % of weights, 90.00 against 100.00 for dense "
        "(\N{MINUS SIGN}10.0 %)."
    )
    assert said[3] == (
        "Test perplexity at early stop: on average at or below dense down to 80.0 % of weights, above from 64.0 % on."
    )


def with_sentences(row: MetricsRow) -> MetricsRow:
    return {**row, "test_sentences": 50 + 40 * row["test_accuracy"]}


@pytest.mark.usefixtures("unpainted")
def test_a_metric_of_the_users_has_its_label_and_its_unit(tmp_path: Path):
    write_run(tmp_path / "run", rounds=3, replicates=1, measure=with_sentences, metrics=[*METRICS, SENTENCES])
    files = report([tmp_path / "run"])
    document, text = files.document, files.markdown.read_text()
    finals, curves = ["final_test_accuracy", "final_test_sentences"], ["test_accuracy_curves", "test_sentences_curves"]
    assert stems(document)[3:] == [*finals, *curves]
    assert "| Correct sentences at the end of training (%) |" in text
    said = document.sections[0].findings.by_subject["iterative"]
    assert any(sentence.startswith("Correct sentences at early stop is highest at") for sentence in said)
    assert any(sentence.startswith("Correct sentences at early stop: ") for sentence in said)
    assert any(sentence.startswith("Test accuracy at early stop: ") for sentence in said)
    final = read_results(tmp_path / "run/results.csv")[0].value("final_test_sentences")
    assert f"dense {final:.1f} % at 100 %." in document.pictures[4].alt


def test_a_metric_without_a_direction_is_drawn_and_nothing_is_claimed(tmp_path: Path):
    norm = Metric(name="test_norm", label="Norm", unit="m", decimals=1)

    def only_norm(row: MetricsRow) -> MetricsRow:
        return {"iteration": row["iteration"], "val_loss": row["val_loss"], "test_norm": row["test_loss"] - 1}

    write_run(tmp_path / "run", rounds=2, replicates=1, measure=only_norm, metrics=[loss("val_loss"), norm])
    files = report([tmp_path / "run"])
    assert stems(files.document)[1:] == ["early_stop_test_norm", "final_test_norm", "test_norm_curves"]
    assert len(files.document.sections[0].findings.by_subject["iterative"]) == 1
    assert "start and end of each line" in files.document.pictures[1].alt
    assert " m at 100 %" in files.document.pictures[1].alt


def test_a_method_that_is_new_has_its_label_and_its_note(tmp_path: Path):
    notes = [
        MethodNote(name="dense"),
        MethodNote(name="by_$score$", label="by *score*", note="pruned by a score of its own"),
        MethodNote(name="shuffled", label="shuffled tickets", note="all weights in other places", of="by_$score$"),
    ]
    names = {"iterative": "by_$score$", "random_reinit": "shuffled"}

    def rename(key: NetworkKey) -> NetworkKey:
        of = names.get(key.of, key.of)
        return replace(key, method=names.get(key.method, key.method), of=of)

    write_run(tmp_path / "run", rounds=2, replicates=1, reinits=1, notes=notes, rename=rename)
    files = report([tmp_path / "run"])
    document, html = files.document, files.html.read_text()
    assert list(document.sections[0].findings.by_subject) == ["by *score*", "shuffled tickets"]
    assert "By *score*: pruned by a score of its own." in document.reading
    assert "Shuffled tickets: all weights in other places." in document.reading
    assert "where by *score* tickets stop earliest" in document.sections[0].findings.by_subject["shuffled tickets"][1]
    assert [table.caption for table in document.sections[0].tables] == ["by *score*", "shuffled tickets"]
    assert "by_$score$" not in html.replace("base64", "")
    ((group,),) = [picture.source.groups for picture in document.pictures if picture.stem.endswith("curves")]
    assert [panel.name for panel in group.panels] == ["by *score*", "shuffled tickets (thin: by *score*)"]


def test_the_methods_of_today_keep_their_looks():
    methods = Methods.of([RunSchema(methods=METHODS)], [])
    styles = [methods.line_style(method.name) for method in METHODS]
    assert [(line_style.colour, line_style.marker) for line_style in styles] == [
        ("#000000", "D"),
        ("#0072B2", "o"),
        ("#009E73", "s"),
        ("#D55E00", "^"),
        ("#CC79A7", "v"),
    ]


def test_without_a_schema_the_paths_tell_the_controls(tmp_path: Path):
    write_run(tmp_path / "run", rounds=2, replicates=1, reinits=2, masks=1, metrics=None)
    (lottery,) = read_lotteries([tmp_path / "run"])
    methods = methods_of([lottery])
    assert {name for name in methods.notes if methods.is_control(name)} == {"random_reinit", "random_mask"}
    assert methods.title("random_reinit") == "random reinit"
    document = documented(tmp_path / "run")
    assert stems(document)[-1] == "test_accuracy_curves"
    assert not [note for note in document.reading if note.startswith("Random")], "nothing is known of them"
    assert [row.method for row in lottery.results if lottery.places[row.key].metrics.exists()] == [
        row.method for row in lottery.results
    ]


def test_results_of_before_there_were_schemas_are_read(tmp_path: Path):
    (tmp_path / "results.csv").write_bytes((DOCS / "lenet_mnist_short/results.csv").read_bytes())
    (lottery,) = read_lotteries([tmp_path])
    assert [metric.name for metric in lottery.columns] == [
        "early_stop_iteration",
        "early_stop_test_accuracy",
        "final_test_accuracy",
    ]
    published = (DOCS / "lenet_mnist_short/report.md").read_text()
    console = Console(file=io.StringIO(), width=100)
    console.print(summary_table(lottery.results, RunSchema()))
    for line in console.file.getvalue().splitlines()[-3:]:
        _, weights, stop, tested, *_ = line.split()
        assert f"| {weights} | {stop} (" in published
        assert f" {tested} (" in published


def test_what_was_measured_before_the_training_has_a_column_a_figure_and_a_note(tmp_path: Path):
    write_run(tmp_path, rounds=1, replicates=1)
    rows = read_results(tmp_path / "results.csv")
    before = {"dense": 0.1, "iterative": 0.4}
    write_results(tmp_path / "results.csv", [changed(row, supermask_accuracy=before[row.method]) for row in rows])
    lotteries = read_lotteries([tmp_path])
    document = lottery_document(lotteries, "report")
    (table,) = document.sections[0].tables[:1]
    assert table.header[-2:] == ("Supermask accuracy (%)", "Networks")
    assert [row[-2] for row in table.rows] == ["10.00", "40.00"]
    assert "supermask_accuracy" in stems(document)
    assert any("before its training" in note for note in document.reading)


def test_an_early_stop_at_the_end_is_said_to_be_a_lower_bound(small_run: Path):
    assert any("only a lower bound" in note for note in documented(small_run).reading)


@pytest.mark.parametrize(
    ("early", "end", "iterations", "bound"),
    [
        (0.5, 0.5, 100, True),  # the best validation is the last, at iteration 100
        (0.5, 0.6, 110, False),
        (0.5, 0.4, 110, True),  # measured at the end
        (0.5, 0.5, 110, False),
        # Rows of before there was the column.
        (0.5, 0.5, None, True),
        (0.5, 0.6, None, False),
        (math.nan, math.nan, None, False),
    ],
)
def test_lower_bounds_are_marked_in_tables_figures_and_sentences(
    early: float, end: float, iterations: int | None, bound: bool, tmp_path: Path
):
    rows = [
        changed(row, early_stop_val_loss=early, final_val_loss=end, iterations=iterations)
        for row in (result("dense", 0), result("iterative", 1))
    ]
    assert BestValidation().is_lower_bound(rows[0]) is bound
    lottery = lottery_of(rows)
    methods = methods_of([lottery])
    (table,) = method_tables(rows, lottery.columns, methods, lottery.best)
    assert [row[1] for row in table.rows] == 2 * ["\N{GREATER-THAN OR EQUAL TO} 100" if bound else "100"]
    assert all("\N{GREATER-THAN OR EQUAL TO}" not in cell for row in table.rows for cell in row[2:])
    picture = density_picture([lottery], EARLY_STOP_ITERATION, methods)
    assert ("Hollow points are lower bounds." in picture.caption) == bound
    assert ("at least 100 at 80" in picture.alt) == bound
    marks = [picture.source.panels[0].dense, *picture.source.panels[0].lines[0].marks]
    assert [mark.bound for mark in marks] == 2 * [bound]
    said = " ".join(lottery_findings(lottery, methods).by_subject["iterative"])
    assert ("\N{GREATER-THAN OR EQUAL TO}100" in said) == bound
    console = Console(file=io.StringIO(), width=120)
    console.print(summary_table(rows, RunSchema(), BestValidation()))
    assert ("a lower bound" in console.file.getvalue()) == bound


def test_a_lower_bound_of_the_highest():
    row = changed(result("dense", 0), early_stop_val_accuracy=0.5, final_val_accuracy=0.6, iterations=110)
    assert BestValidation(monitor="val_accuracy", mode="max").is_lower_bound(row)
    assert not BestValidation(monitor="val_accuracy", mode="min").is_lower_bound(row)


def test_lengths_that_differ_are_told(tmp_path: Path):
    rows = write_run(tmp_path / "run", rounds=1, replicates=1)
    write_results(
        tmp_path / "run/results.csv", [changed(row, iterations=10 * number + 10) for number, row in enumerate(rows)]
    )
    (section,) = documented(tmp_path / "run").sections
    assert f"they ended at iterations 10 to {10 * len(rows)}." in section.extent


def test_parts_of_a_lottery_that_chose_the_best_by_other_metrics_stay_apart(tmp_path: Path):
    rows = write_run(tmp_path / "a", rounds=0, replicates=2, experiment="e")
    for name, row in zip("ab", rows, strict=True):
        write_results(tmp_path / name / "results.csv", [row])
    (tmp_path / "b/config.yaml").write_text("best: {monitor: val_accuracy, mode: max}\n")
    with pytest.raises(UserError, match="b: differs from others of 'e' in best; report them apart"):
        read_lotteries([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "a/config.yaml").write_text("best: {monitor: val_accuracy, mode: max}\n")
    write_results(tmp_path / "a/results.csv", rows)
    assert "the iteration of highest validation accuracy" in " ".join(documented(tmp_path / "a").reading)


def test_the_summary_has_the_headline_metrics():
    rows = [
        changed(result("dense", 0), early_stop_test_sentences=1.5, final_test_sentences=1.0),
        changed(result("iterative", 1), early_stop_test_sentences=2.5, final_test_sentences=1.0),
    ]
    console = Console(file=io.StringIO(), width=120)
    console.print(summary_table(rows, RunSchema(metrics=Schema([SENTENCES]))))
    lines = console.file.getvalue().splitlines()
    said = "early-stop iteration and test accuracy (%) and correct sentences (%) there, means over networks"
    assert lines[0].endswith(said)
    assert lines[-1].split() == ["1", "80.00", "100", "90.00", "2.5"]
