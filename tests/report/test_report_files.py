import re
import subprocess
import sys
from pathlib import Path
from shutil import which
from xml.etree import ElementTree

import pytest
from helpers.made_up_run import write_run
from helpers.pages import Outside, text_boxes

from app.common.errors import RunError, UserError
from app.plotting.canvas import blocks, legend, name_panel
from app.plotting.style import style
from app.report import ReportFiles, report
from app.report.build import KINDS
from app.report.latex import escaped
from app.runs.layout import NetworkKey, RunLayout
from app.runs.output_directory import WRITTEN
from app.runs.table import read_results

COLUMNS = ("early_stop_iteration", "early_stop_test_accuracy", "final_test_accuracy")
STEMS = (*COLUMNS, *(f"{column}_difference" for column in COLUMNS), "test_accuracy_curves")


@pytest.fixture(scope="module")
def large(large_run: Path, tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return report([large_run], tmp_path_factory.mktemp("large") / "report")


def test_files_are_all_there_and_named(large: ReportFiles):
    assert [path.name for path in large.figures] == [f"{stem}.{kind}" for stem in STEMS for kind in KINDS]
    assert {path.name for path in large.html.parent.iterdir()} == {
        "report.html",
        "report.md",
        "comparisons.csv",
        "tables.tex",
        WRITTEN,
        *(path.name for path in large.figures),
    }
    for path in large.figures:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n")
        elif path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")
        else:
            assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_page_fetches_nothing(large: ReportFiles):
    page = Outside()
    page.feed(large.html.read_text())
    assert not page.pictures
    beside = {path.name for path in large.html.parent.iterdir()}
    assert all(each.startswith("#") or each in beside for each in page.references)
    assert not {"link", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"https?:|url\(|@import", page.words)


def test_page_has_a_chart_for_every_figure_and_says_what_it_shows(large: ReportFiles, large_run: Path):
    page = Outside()
    page.feed(large.html.read_text())
    assert tuple(page.charts) == STEMS
    assert all(alt.count("%") > 5 for alt in page.charts.values())
    results = read_results(RunLayout(large_run).results)
    dense = [row for row in results if row.method == "dense"]
    mean = sum(row.early_stop_iteration for row in dense) / len(dense)
    assert f"dense {mean:,.0f} at 100 %." in page.charts[STEMS[0]]
    rows = page.data["charts-data"][STEMS[0]]["rows"]
    values = [value for value, start in zip(rows["value"], rows["start"], strict=True) if not start]
    assert values == [row.early_stop_iteration for row in results]


def test_a_screen_reader_is_told_which_chart_it_is_at_and_tab_goes_from_chart_to_chart(large: ReportFiles):
    text = large.html.read_text()
    labels = re.findall(r'<div class="plot" tabindex="0"[^>]* aria-label="([^"]*)"', text)
    assert len(labels) == text.count('class="plot"') > 3
    assert len(set(labels)) == len(labels)
    panels = text.partition('<div class="figures">')[2].partition("<script")[0]
    buttons = re.findall(r'<button type="button" class="small (?:closer|reset)"[^>]*>', panels)
    assert len(buttons) == 2 * len(labels)
    assert all('tabindex="-1"' in button and "aria-label" in button for button in buttons)


def test_svg_and_pdf_have_real_text_and_name_no_day(large: ReportFiles):
    for path in large.figures:
        if path.suffix == ".svg":
            elements = list(ElementTree.parse(path).iter())
            tags = {element.tag.partition("}")[2] for element in elements}
            assert {"path", "text"} <= tags
            assert not {"image", "metadata"} & tags
            written = [element.text for element in elements if element.tag.endswith("}text")]
            assert any(text and ("Iteration" in text or "weights remaining" in text) for text in written)
        elif path.suffix == ".pdf":
            content = path.read_bytes()
            assert b"/FontFile2" in content, "TrueType fonts are in it"
            assert b"CreationDate" not in content


def test_tables_as_latex_have_every_cell(large: ReportFiles):
    text = (large.html.parent / "tables.tex").read_text()
    tables = [table for section in large.document.sections for table in section.tables]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == text.count(r"\resizebox") == len(tables)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}")
    labels = re.findall(r"\\label\{(.*)\}", text)
    assert len(set(labels)) == len(tables)
    bodies = re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL)
    for table, body in zip(tables, bodies, strict=True):
        rows = [line.removesuffix(r" \\").split(" & ") for line in body.splitlines()]
        assert [len(row) for row in rows] == [len(table.header)] * len(table.rows)
        assert rows[-1][0] == table.rows[-1][0]


@pytest.mark.skipif(which("pdflatex") is None, reason="needs pdflatex")
def test_latex_sets_every_table_within_the_width_of_the_text(large: ReportFiles, tmp_path: Path):
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
        + (large.html.parent / "tables.tex").read_text()
        + "\\end{document}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout


def test_long_headings_have_several_lines(large: ReportFiles):
    text = (large.html.parent / "tables.tex").read_text()
    assert r"\begin{tabular}[b]{@{}r@{}}\% of weights\\remaining\end{tabular} & " in text


def test_latex_prints_every_character_as_it_is():
    assert escaped("a_b 50% #1 {x} ~^\\\\ & ≥ \N{MINUS SIGN}") == (
        r"a\_b 50\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}\textbackslash{} \& $\geq$ $-$"
    )


def test_markdown_shows_the_pictures_beside_it_and_every_round(large: ReportFiles):
    text = large.markdown.read_text()
    assert re.findall(r"\]\((.+)\)", text) == [f"{stem}.png" for stem in STEMS]
    assert len(re.findall(r"^\| 100 \|", text, re.MULTILINE)) == 4, "every method's table begins with the dense network"
    # And tickets have a table of differences from dense, all others one from tickets, too.
    assert len(re.findall(r"^\| 3\.58 \|", text, re.MULTILINE)) == 4 + 1 + 2 * 3
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_same_rows_same_bytes(small_run: Path, tmp_path: Path):
    files = report([small_run], tmp_path)
    paths = (*files.figures, files.html, files.markdown)
    first = [path.read_bytes() for path in paths]
    report([small_run], tmp_path)
    assert [path.read_bytes() for path in paths] == first


def test_a_report_of_the_user_s_own_is_not_replaced(small_run: Path, tmp_path: Path):
    (tmp_path / "report.md").write_text("# My thesis\n")
    with pytest.raises(UserError, match=r"report\.md is there already.* another directory with --out$"):
        report([small_run], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


@pytest.mark.usefixtures("unpainted")
def test_a_report_of_an_earlier_version_is_replaced(small_run: Path, tmp_path: Path):
    report([small_run], tmp_path)
    (tmp_path / WRITTEN).unlink()
    report([small_run], tmp_path)
    (tmp_path / WRITTEN).unlink()
    (tmp_path / "report.md").write_text("# My thesis\n")
    with pytest.raises(UserError, match=r"is there already"):
        report([small_run], tmp_path)


@pytest.mark.usefixtures("unpainted")
def test_weights_are_not_needed_and_nothing_else_is_touched(tmp_path: Path):
    run = tmp_path / "run"
    write_run(run, rounds=1, replicates=1)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert {path.name for path in before} == {"results.csv", "metrics.csv", "schema.json"}
    files = report([run])
    assert files.html == run / "report" / "report.html"
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.parent != files.html.parent}
    assert after == before


def late(key: NetworkKey) -> bool:
    """A run in progress: the second replicate stands in round 2, its controls have not begun."""
    return key.replicate == 0 or (key.round < 3 and key.method in ("dense", "iterative"))


@pytest.mark.parametrize(
    "options",
    [
        {"rounds": 0, "replicates": 1},
        {"rounds": 3, "replicates": 1},
        {"rounds": 3, "replicates": 2, "methods": ("one_shot",)},
        {"rounds": 5, "replicates": 2, "reinits": 2, "masks": 1, "keep": late},
        {"rounds": 3, "replicates": 1, "keep": lambda key: key.round in (1, 3)},
    ],
    ids=["dense only", "one replicate", "one-shot only", "in progress", "without dense"],
)
def test_every_stage_of_a_run_can_be_reported(options, tmp_path: Path):
    write_run(tmp_path / "run", **options)
    files = report([tmp_path / "run"])
    assert all(path.stat().st_size > 2_000 for path in files.figures)


def test_names_of_experiments_are_text_and_nothing_more(tmp_path: Path):
    name = 'a_$b$ <img src="https://elsewhere/x.png"> | [c](d) & ' + "long " * 30
    write_run(tmp_path / "run", rounds=1, replicates=1, experiment=name)
    write_run(tmp_path / "other", rounds=1, replicates=1)
    files = report([tmp_path / "run", tmp_path / "other"], tmp_path / "out")
    page = Outside()
    page.feed(files.html.read_text())
    assert len(page.charts) == 4
    assert not page.pictures
    assert "<img" not in files.markdown.read_text().replace("\\<img", "")
    with style():
        figure, (block,) = blocks([1])
        name_panel(block.panels[0], name)
        legend(block, block.panels[0].plot([1]), ["one"], each=1.0, title=name)
    assert all(box.x1 <= figure.bbox.x1 for _, box in text_boxes(figure))


def test_importing_the_report_does_not_import_matplotlib():
    code = "import sys, app.report, app.report.command; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0


def test_a_place_that_is_none(small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.report.build._contents", lambda document: {"report.md": "text"})
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file: no place to write"):
        report([small_run], tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_no_fault_of_the_user(small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, data: bytes | str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.report.build._contents", lambda document: {"report.md": "text"})
    monkeypatch.setattr("app.report.build.write_atomically", full)
    with pytest.raises(RunError, match="was not written \\(No space left on device\\)"):
        report([small_run], tmp_path / "out")


def test_replicates_that_were_tested_at_no_common_iteration(tmp_path: Path):
    run = RunLayout(tmp_path / "run")
    write_run(run.root, rounds=0, replicates=2)
    path = run.network(NetworkKey(1, "dense", 0)).metrics
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(f"1{row}" for row in rows[1:])]) + "\n")
    files = report([run.root])
    assert {"test_accuracy_curves.svg"} <= {figure.name for figure in files.figures}
