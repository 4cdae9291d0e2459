"""The page of a report in a browser: what is seen, what filters, the keyboard and the browser of trees change."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from helpers.browser import Browser, chromium
from helpers.fits import write_fit
from helpers.made_up_masks import write_masks
from helpers.made_up_run import write_run
from scipy.stats import t as student

from app.charts.colours import CONTRAST, contrast
from app.parsing.scores import sentence_f1
from app.parsing.sentence_tables import constituents_csv, words_csv
from app.parsing.tree_files import write_trees
from app.parsing.trees import GoldSentence, Tree
from app.report import report
from app.runs.layout import RunLayout
from app.runs.table import Result, read_results

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="needs Chromium")]

EARLY, FINAL, CURVES = "early_stop_iteration", "final_test_accuracy", "test_accuracy_curves"
FIGURE = f"figure[data-chart={FINAL}]"
SENTENCES = (
    GoldSentence(("the", "cat", "sees", "a", "dog"), ((0, 1), (2, (3, 4))), (("NP", 0, 2), ("NP", 3, 5), ("VP", 2, 5))),
    GoldSentence(("dogs", "sleep"), (0, 1), (("S", 0, 2),)),
    GoldSentence(("a", "zyx", "<b>", "runs"), ((0, 1, 2), 3), (("NP", 0, 3),)),
)
TREES: dict[str, list[Tree]] = {
    "layer_1": [(0, (1, (2, (3, 4)))), (0, 1), ((0, (1, 2)), 3)],
    "layer_2": [((0, 1), (2, (3, 4))), (0, 1), (((0, 1), 2), 3)],
}


def write_trees_of(run: Path) -> None:
    """What `parse` writes, of three sentences and two layers."""
    folder = run / "parse"
    folder.mkdir()
    distances = [{"layer 1": [0.5] * len(each.words), "layer 2": [0.25] * len(each.words)} for each in SENTENCES]
    unknown = [[word == "zyx" for word in each.words] for each in SENTENCES]
    (folder / "words.csv").write_text(words_csv(SENTENCES, unknown, distances))
    (folder / "constituents.csv").write_text(constituents_csv(SENTENCES))
    (folder / "gold.txt").write_text(write_trees((each.words, each.tree) for each in SENTENCES))
    for layer, trees in TREES.items():
        pairs = zip((each.words for each in SENTENCES), trees, strict=True)
        (folder / f"{layer}.shen2018.txt").write_text(write_trees(pairs))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page") / "run"
    write_run(root, rounds=4, replicates=3, methods=("iterative", "one_shot"), reinits=2)
    return root


@pytest.fixture(scope="module")
def page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a lottery and of a training, without painted figures."""
    fit = write_fit(run.parent, "words", validations=3)
    write_trees_of(fit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.plotting.canvas.render", lambda figure, kind: b"")
        return report([run, fit], tmp_path_factory.mktemp("out")).html


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as made:
        yield made


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.open(page)
    return browser


def drawn(browser: Browser, stem: str) -> None:
    """Bring each panel of a figure into view and wait until it is drawn."""
    panels = f"document.querySelectorAll('figure[data-chart={stem}] .panel')"
    for panel in (f"{panels}[{number}]" for number in range(browser.run(f"{panels}.length"))):
        browser.run(f"{panel}.scrollIntoView()")
        browser.until(f"{panel}.hidden || {panel}.dataset.drawn")


def texts(browser: Browser, stem: str) -> set[str]:
    """What is told of the points of a figure, which is drawn again some time after a filter is changed."""
    drawn(browser, stem)
    code = f"[...document.querySelectorAll('figure[data-chart={stem}] path[aria-label]')]"
    found: list[str] = browser.run(
        f"{code}.filter((each) => each.getAttribute('aria-roledescription') === 'point')"
        ".map((each) => each.getAttribute('aria-label'))"
    )
    return set(found)


def change(browser: Browser, field: str, value: Any) -> None:
    """Set a field of the filters as a user does, and wait until all charts have followed."""
    browser.run(f"""(async () => {{
        const field = document.querySelector({json.dumps(field)});
        if (field.type === 'checkbox') field.checked = {json.dumps(value)};
        else field.value = {json.dumps(value)};
        field.dispatchEvent(new Event('input', {{ bubbles: true }}));
        await new Promise((done) => setTimeout(done));
    }})()""")


def tick(browser: Browser, name: str, value: str, checked: bool) -> None:
    change(browser, f"#filters input[name={name}][value='{value}']", checked)


def of_method(results: list[Result], method: str, round_: int, replicates: tuple[int, ...]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for row in results:
        if (row.method, row.round) == (method, round_) and row.replicate in replicates:
            found.setdefault(row.replicate, []).append(row.value(FINAL))
    return found


def expected(results: list[Result], method: str, round_: int, replicates: tuple[int, ...]) -> list[float]:
    """The numbers of a point by plain arithmetic: density, mean over networks, Student's interval, networks."""
    found = of_method(results, method, round_, replicates)
    values, means = [value for some in found.values() for value in some], [fmean(some) for some in found.values()]
    half = float(student.ppf(0.975, len(means) - 1)) * stdev(means) / math.sqrt(len(means))
    density = next(row.density for row in results if row.round == round_)
    low, high = fmean(means) - half, fmean(means) + half
    return [100 * density, 100 * fmean(values), 100 * low, 100 * high, len(values)]


def told(said: set[str], title: str) -> list[list[float]]:
    """The numbers of all points of a method, as the page tells them, from sparse to dense."""
    pattern = re.compile(
        rf"{title}, ([\d.]+) % of weights: ([\d.]+) %, 95 % interval ([\d.]+) % to ([\d.]+) %, n = (\d+)"
    )
    return sorted([float(number) for number in match.groups()] for each in said if (match := pattern.fullmatch(each)))


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (390, False), (390, True)])
def test_every_chart_is_drawn_without_a_complaint(page: Path, browser: Browser, width: int, dark: bool) -> None:
    browser.said.clear()
    browser.open(page, width=width, dark=dark)
    stems = browser.run("[...document.querySelectorAll('figure[data-chart]')].map((each) => each.dataset.chart)")
    assert {EARLY, FINAL, CURVES, "val_perplexity", "uf1_layers"} <= set(stems)
    for stem in stems:
        drawn(browser, stem)
    assert browser.run("[...document.querySelectorAll('.plot')].every((each) => each.querySelector('svg path'))")
    assert (browser.said, browser.fetched) == ([], [])
    assert browser.run("document.documentElement.scrollWidth") == width, "nothing hangs over the right edge"
    captions = "[...document.querySelectorAll('caption span')].map((each) => each.getBoundingClientRect().right)"
    assert max(browser.run(captions)) <= width, "no caption is as wide as a table that is scrolled"
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(23, 24, 26)" if dark else "rgb(255, 255, 255)")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two lotteries with long names."""
    root = tmp_path_factory.mktemp("two")
    runs = [root / "conv2_cifar10_at_init_short", root / "resnet18_cifar10_short"]
    for each in runs:
        write_run(each, rounds=2, replicates=1, methods=("iterative", "one_shot"), reinits=1, masks=1)
    write_masks(runs[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.plotting.canvas.render", lambda figure, kind: b"")
        return report(runs, root / "out").html


@pytest.mark.parametrize("width", [1400, 390])
def test_legends_are_within_their_figures(two: Path, browser: Browser, width: int) -> None:
    browser.open(two, width=width)
    stems = browser.run("[...document.querySelectorAll('figure[data-chart]')].map((each) => each.dataset.chart)")
    for stem in stems:
        drawn(browser, stem)
    outside = browser.run("""[...document.querySelectorAll('.plot svg')].flatMap((svg) => {
        const { top } = svg.getBoundingClientRect();
        const texts = [...svg.querySelectorAll('text')].filter((each) => each.textContent);
        const boxes = texts.map((each) => [each.textContent, each.getBoundingClientRect()]);
        return boxes.filter(([, box]) => box.top < top - 2 || box.right > innerWidth).map(([text]) => text);
    })""")
    assert outside == []


def test_points_are_means_with_intervals_of_those_that_are_chosen(opened: Browser, run: Path) -> None:
    results = read_results(RunLayout(run).results)
    drawn(opened, FINAL)
    for replicates in ((0, 1, 2), (0, 2)):
        tick(opened, "replicate", "1", 1 in replicates)
        opened.until(f"document.querySelector({json.dumps(FIGURE)}).innerHTML.includes(', n = {2 * len(replicates)}')")
        said = texts(opened, FINAL)
        for method, title in (("iterative", "iterative"), ("random_reinit", "random reinit")):
            wanted = [expected(results, method, round_, replicates) for round_ in (4, 3, 2, 1)]
            for found, numbers in zip(told(said, title), wanted, strict=True):
                assert found[0] == pytest.approx(numbers[0], rel=5e-3), "three digits of the density"
                assert found[1:] == pytest.approx(numbers[1:], abs=0.0051), "two decimals of the others"


def test_filters_change_the_picture_and_reset_brings_all_back(opened: Browser) -> None:
    before, picture = texts(opened, FINAL), opened.picture()
    tick(opened, "method", "one-shot", False)
    one_shot = json.dumps(f"{FIGURE} path[aria-label^='one-shot']")
    opened.until(f"!document.querySelector({one_shot})")
    assert texts(opened, FINAL) == {each for each in before if not each.startswith("one-shot")}
    assert opened.picture() != picture
    assert opened.run("document.getElementById('filtered').textContent") == "1 in use"
    change(opened, "#filters input[name=sparsest]", "60")
    sparse = json.dumps(f"{FIGURE} path[aria-label^='iterative, 41 %']")
    opened.until(f"!document.querySelector({sparse})")
    left = texts(opened, FINAL)
    assert left
    assert left < {each for each in before if not each.startswith("one-shot")}
    opened.run("document.querySelector('#filters [type=reset]').click()")
    opened.until(f"document.querySelector({one_shot})")
    assert texts(opened, FINAL) == before
    for method in ("dense", "iterative", "one-shot", "random reinit"):
        tick(opened, "method", method, False)
    opened.until(f"!document.querySelector('figure[data-chart={FINAL}] .nothing').hidden")


def test_early_stops_at_the_last_iteration_are_lower_bounds(page: Path, browser: Browser, tmp_path: Path) -> None:
    rows = read_results(RunLayout(write_late(tmp_path)).results)
    assert any(row.early_stop_iteration == 1000 for row in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.plotting.canvas.render", lambda figure, kind: b"")
        browser.open(report([tmp_path / "late"], tmp_path / "out").html)
    found = texts(browser, EARLY)
    assert any(": at least 1,000" in each for each in found)
    figure = f"figure[data-chart={EARLY}]"
    hollow = browser.run(
        f"[...document.querySelectorAll('{figure} path[aria-roledescription=point]')].filter((each) => "
        "getComputedStyle(each).fill === 'rgb(255, 255, 255)').map((each) => each.getAttribute('aria-label'))"
    )
    assert set(hollow) == {each for each in found if "at least" in each}
    arrows = browser.run(
        f"[...document.querySelectorAll('{figure} text')].filter((each) => each.textContent === '↑').length"
    )
    assert arrows == len(hollow)


def write_late(root: Path) -> Path:
    """A lottery whose networks were best at their last validation."""

    def falling(row: dict[str, float]) -> dict[str, float]:
        return {**row, "val_loss": 2.0 - row["iteration"] / 1000}

    write_run(root / "late", rounds=2, replicates=2, measure=falling)
    return root / "late"


def test_the_keyboard_walks_along_points_and_zooms(opened: Browser) -> None:
    every = texts(opened, FINAL)
    figure = f"figure[data-chart={FINAL}]"
    opened.run(f"document.querySelector('{figure} .plot').focus()")
    said = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight"):
        opened.key(key)
        said.append(opened.run("document.getElementById('live').textContent"))
    assert set(said) <= every
    assert len(set(said)) >= 3
    assert opened.run(f"document.querySelector('{figure} .bubble').textContent") == said[-1]
    labels = f"[...document.querySelectorAll('{figure} svg text')].map((each) => each.textContent).sort().join('|')"
    before = opened.run(labels)
    for _ in range(4):
        opened.key("+")
    opened.until(f"{labels} !== {json.dumps(before)}")
    opened.key("0")
    opened.until(f"{labels} === {json.dumps(before)}")


def test_the_mouse_tells_what_is_under_it(opened: Browser) -> None:
    every = texts(opened, FINAL)
    x, y = opened.run(
        f"(() => {{ const box = document.querySelector('figure[data-chart={FINAL}] path[aria-roledescription=point]')"
        ".getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    opened.mouse("mouseMoved", x - 60, y + 60)
    opened.mouse("mouseMoved", x, y)
    opened.until("document.querySelector('#vg-tooltip-element')?.classList.contains('visible')")
    assert opened.run("document.querySelector('#vg-tooltip-element').innerText.trim()") in every


def test_lines_can_be_seen_on_their_page(page: Path) -> None:
    text = page.read_text()
    dark, light = text.rpartition(":root{--")[2], text.rpartition("\n:root{--")[2]
    for colours, paper in ((light.partition("}")[0], "#ffffff"), (dark.partition("}")[0], "#17181a")):
        values = [pair.partition(":")[2] for pair in colours.split(";") if ":" in pair]
        assert len(values) > 3
        assert all(contrast(value, paper) >= CONTRAST for value in values)


def listed(browser: Browser) -> list[int]:
    found: list[int] = browser.run(
        "[...document.querySelectorAll('#tree-browser tbody tr')].map((row) => Number(row.cells[0].textContent))"
    )
    return found


def test_trees_are_sorted_and_filtered(opened: Browser) -> None:
    f1 = [sentence_f1(tree, gold.tree) for tree, gold in zip(TREES["layer_1"], SENTENCES, strict=True)]
    apart = [1 - sentence_f1(one, other) for one, other in zip(*TREES.values(), strict=True)]
    change(opened, "#tree-browser [name=of]", "0")
    for key, values in (("f1", f1), ("length", [5, 2, 4]), ("layers", apart)):
        change(opened, "#tree-browser [name=sort]", key)
        assert listed(opened) == [at + 1 for at in sorted(range(3), key=lambda at: values[at])]
    change(opened, "#tree-browser [name=order]", "down")
    assert listed(opened) == [at + 1 for at in sorted(range(3), key=lambda at: -apart[at])]
    change(opened, "#tree-browser [name=label]", "NP")
    assert set(listed(opened)) == {1, 3}
    change(opened, "#tree-browser [name=longest]", "4")
    assert listed(opened) == [3]
    change(opened, "#tree-browser [name=words]", "cat")
    assert listed(opened) == []
    change(opened, "#tree-browser [name=words]", "")
    change(opened, "#tree-browser [name=label]", "")
    change(opened, "#tree-browser [name=unknown]", True)
    assert listed(opened) == [3]


def test_a_sentence_is_shown_with_its_trees_side_by_side(opened: Browser) -> None:
    opened.run("document.querySelectorAll('#tree-browser button.sentence')[2].click()")
    shown = "document.querySelector('#trees-shown')"
    assert opened.run(f"{shown}.querySelector('h3').textContent") == "Sentence 3"
    drawn_spans = opened.run(
        f"[...{shown}.querySelectorAll('figure')].map((each) => "
        "[...each.querySelectorAll('path')].map((path) => path.dataset.span + path.getAttribute('class')).sort())"
    )
    assert drawn_spans == [
        ["0,3plain", "0,4plain"],
        ["0,3same", "0,4whole", "1,3other"],
        ["0,2other", "0,3same", "0,4whole"],
    ]
    words = opened.run(
        f"[...{shown}.querySelector('svg').querySelectorAll('text.word')].map((each) => each.firstChild.data)"
    )
    assert words == list(SENTENCES[2].words), "nothing in a word is markup"
    assert opened.run(f"{shown}.querySelectorAll('figure:first-of-type text.unknown').length") == 1
    assert opened.run("document.querySelector('#tree-browser tbody span.unknown').textContent") == "zyx"
