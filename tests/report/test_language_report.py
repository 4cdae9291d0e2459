"""What a report says of a language model's lottery: test perplexity, UF1, syntax, trees, gates and ranks."""

import csv
import io
from pathlib import Path

import pytest
from helpers.made_up_masks import write_masks
from helpers.made_up_run import LANGUAGE_METRICS, as_language_model, write_run

from app.common.errors import UserError
from app.common.gates import GatedWeight
from app.plotting.draw import draw
from app.report.build import read_document
from app.report.document import Document
from app.report.gate_numbers import read_gates
from app.report.lottery_document import methods_of
from app.report.lottery_run import read_lotteries
from app.report.lottery_scores import syntax_picture
from app.runs.layout import RunLayout
from app.runs.recorded_tensors import read_tensors
from app.runs.schema import read_schema, write_schema
from app.runs.table import MetricsRow, read_results

# Four units of two ranks: master gates of a row per rank, and an output gate and a candidate of a row per unit.
GATES = (("master input", 2), ("master forget", 2), ("output", 4), ("candidate", 4))
SHAPES = {"net.layers.0.weight_ih": (12, 3), "net.layers.0.weight_hh": (12, 4)}
GATED = {name: GatedWeight(gates=GATES, units=4, ranks=2, recurrent=name.endswith("hh")) for name in SHAPES}
ROWS = ("SV simple", "SV in a clause", "reflexive simple", *(f"NPI {number}" for number in range(8)))


def with_trees(row: MetricsRow) -> MetricsRow:
    of_text = as_language_model(row)
    f1 = 100 * row["test_accuracy"]
    # The lottery measures the test set at the end alone.
    return {name: value for name, value in of_text.items() if not name.startswith("test")} | {
        "uf1_layer_1": f1,
        "uf1_layer_1_between_words": f1 / 2,
    }


def write_syntax(run: RunLayout) -> None:
    lines = ["replicate,method,round,branch,row,term,items,right"]
    for row in read_results(run.results):
        for name in ROWS:
            term = "long" if name.endswith("clause") else "short"
            place = f"{row.replicate},{row.method},{row.round},{row.branch}"
            lines.append(f"{place},{name},{term},10,{10 - row.round}")
    (run.root / "syntax").mkdir()
    (run.root / "syntax" / "scores.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """Two rounds, two replicates, one control, gates of a layer, syntax and a drawing. Read only."""
    run = RunLayout(tmp_path_factory.mktemp("runs") / "words")
    write_run(run.root, rounds=2, replicates=2, masks=1, every=250, measure=with_trees, metrics=LANGUAGE_METRICS[:3])
    write_masks(run.root, SHAPES)
    write_schema(run, read_schema(run).metrics.values(), (), GATED)
    write_syntax(run)
    (run.root / "parse").mkdir()
    for kind in ("svg", "png"):
        (run.root / "parse" / f"sentence_3.{kind}").write_bytes(f"a drawing as {kind}".encode())
    return run


@pytest.fixture(scope="module")
def document(run: RunLayout) -> Document:
    return read_document([run.root], "command")


def test_there_are_figures_of_everything(document: Document) -> None:
    pictures = {picture.stem: picture for picture in document.pictures}
    expected = ["final_uf1_layer_1", "final_uf1_layer_1_between_words", "final_uf1_layer_1_difference",
                "gate_density", "rank_density", "syntax", "trees_3"]  # fmt: skip
    assert set(expected) <= set(pictures)
    assert len(pictures) == len(document.pictures)
    assert "UF1, layer 1, between_words" in pictures["final_uf1_layer_1_between_words"].caption
    assert pictures["trees_3"].source == {"svg": b"a drawing as svg", "png": b"a drawing as png"}
    for stem in ("gate_density", "rank_density", "syntax"):
        draw(pictures[stem].source)  # type: ignore[arg-type]


def test_comparisons_have_uf1(document: Document) -> None:
    rows = list(csv.DictReader(io.StringIO(document.tables["comparisons.csv"])))
    columns = [row["column"] for row in rows if row["method"] == "random_mask"]
    assert "final_uf1_layer_1_between_words" in columns
    assert all(columns.count(name) == columns.count("final_uf1_layer_1") for name in set(columns))


def test_gates_and_ranks_are_counted_as_by_hand(run: RunLayout, document: Document) -> None:
    (lottery,) = read_lotteries([run.root])
    found = {(row.method, row.replicate, row.round, row.weight, row.part, row.rank): row for row in read_gates(lottery)}
    starts = {"master input": 0, "master forget": 2, "output": 4, "candidate": 8}
    for key, place in lottery.places.items():
        for name, mask in read_tensors(place.mask).items():
            head = (key.method, key.replicate, key.round, name)
            for gate, rows in GATES:
                left = sum(bool(mask[row, column]) for row in range(starts[gate], starts[gate] + rows)
                           for column in range(mask.size(1)))  # fmt: skip
                assert (found[*head, gate, 0].survivors, found[*head, gate, 0].weights) == (left, rows * mask.size(1))
            for rank, units in ((1, (0, 1)), (2, (2, 3))):
                into = sum(bool(mask[4 * gate + unit, column]) for gate in (1, 2) for unit in units
                           for column in range(mask.size(1)))  # fmt: skip
                assert found[*head, "rows", rank].survivors == into
                if name.endswith("hh"):
                    out = sum(bool(mask[row, unit]) for row in range(12) for unit in units)
                    assert (found[*head, "columns", rank].survivors, found[*head, "columns", rank].weights) == (out, 24)
                else:
                    assert (*head, "columns", rank) not in found
    assert len(list(csv.DictReader(io.StringIO(document.tables["gates.csv"])))) == len(found)


def test_rows_of_syntax_are_grouped_where_there_are_many(run: RunLayout) -> None:
    lotteries = read_lotteries([run.root])
    (picture,) = syntax_picture(lotteries[0], methods_of(lotteries))
    panels = {panel.name: panel for panel in picture.source.panels}  # type: ignore[union-attr]
    assert set(panels) == {"SV, short", "SV, long", "reflexive, short", "NPI, short"}
    assert panels["NPI, short"].dense.mean == 1.0
    assert [mark.mean for mark in panels["NPI, short"].lines[0].marks] == pytest.approx([0.9, 0.8])


def test_masks_of_another_shape_than_the_gates(run: RunLayout, tmp_path: Path) -> None:
    other = RunLayout(tmp_path / "other")
    write_run(other.root, rounds=0, replicates=1, measure=with_trees, metrics=LANGUAGE_METRICS[:3])
    write_masks(other.root, {"net.layers.0.weight_ih": (5, 3)})
    write_schema(other, read_schema(other).metrics.values(), (), GATED)
    with pytest.raises(UserError, match=r"weight_ih has not the rows of the gates in the schema\.json of its run"):
        read_gates(read_lotteries([other.root])[0])


def test_a_table_that_is_none_of_syntax(run: RunLayout, tmp_path: Path) -> None:
    other = RunLayout(tmp_path / "other")
    write_run(other.root, rounds=1, replicates=1, measure=with_trees, metrics=LANGUAGE_METRICS[:3])
    (other.root / "syntax").mkdir()
    (other.root / "syntax" / "scores.csv").write_text("replicate,method\n0,dense\n")
    lotteries = read_lotteries([other.root])
    with pytest.raises(UserError, match="not the table of syntax"):
        syntax_picture(lotteries[0], methods_of(lotteries))


def test_gates_are_read_as_they_were_written(run: RunLayout) -> None:
    assert read_schema(run).gates == GATED
    text = run.schema.read_text()
    try:
        run.schema.write_text(text.replace('"units": 4', '"units": 0'))
        with pytest.raises(UserError, match="not a schema"):
            read_schema(run)
    finally:
        run.schema.write_text(text)
