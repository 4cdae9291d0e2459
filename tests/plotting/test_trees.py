import ast
import io
import math
import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import Circle, PathPatch, Rectangle

import app.plotting.trees.canvas as canvas
from app.common.errors import UserError
from app.parsing.brackets import brackets
from app.parsing.trees import GoldSentence, Tree
from app.plotting.trees import Panel, draw_trees, save_drawing, tree_text
from app.plotting.trees.geometry import place

WORDS = ("the", "cat", "saw", "a", "dog")
GOLD = GoldSentence(
    WORDS, ((0, 1), (2, (3, 4))), (("NP", 0, 2), ("NP", 3, 5), ("VP", 2, 5), ("S", 0, 5), ("S", 0, 5), ("TOP", 0, 5))
)
BLUE, VERMILLION = "#0072b2", "#d55e00"


def tree_over(start: int, end: int, draw) -> Tree:
    """Any tree over words start to end - 1, with two children or more everywhere."""
    if end - start == 1:
        return start
    cuts = [start, *sorted(draw(st.sets(st.integers(start + 1, end - 1), min_size=1))), end]
    return tuple(tree_over(left, right, draw) for left, right in pairwise(cuts))


@st.composite
def trees(draw, max_words: int = 12) -> Tree:
    return tree_over(0, draw(st.integers(1, max_words)), draw)


def size(tree: Tree) -> int:
    return 1 if isinstance(tree, int) else sum(map(size, tree))


def right_branching(words: int) -> Tree:
    tree: Tree = words - 1
    for word in reversed(range(words - 1)):
        tree = (word, tree)
    return tree


def texts(svg: Path) -> list[str]:
    """The texts of a picture."""
    texts_of = ElementTree.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}text")
    return [(element.text or "").strip() for element in texts_of]


def boxes(figure: Figure) -> list[tuple[str, object]]:
    """Every text with its bounding box."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    return [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts]


def colours(figure: Figure) -> Counter[str]:
    """The number of lines of each colour."""
    return Counter(to_hex(patch.get_edgecolor()) for patch in figure.axes[0].patches if isinstance(patch, PathPatch))


def test_every_word_and_distance_is_written_once_per_tree(tmp_path):
    first = Panel("layer 1", right_branching(5), WORDS, [0.91, 0.22, 0.333, 0.44, -0.5])
    second = Panel("layer 2", ((0, 1), (2, (3, 4))), WORDS, [1, 2, 3, 4, 5])
    svg, png, pdf = save_drawing(draw_trees([first, second], "Sentence 7", gold=GOLD), tmp_path / "cat.v1")
    assert (svg.name, png.name, pdf.name) == ("cat.v1.svg", "cat.v1.png", "cat.v1.pdf")
    written = Counter(texts(svg))
    assert all(written[word] == 3 for word in WORDS)
    for number in ("0.91", "0.22", "0.33", "0.44", "\N{MINUS SIGN}0.50", "1.00", "2.00", "3.00", "4.00", "5.00"):
        assert written[number] == 1
    for once in ("Sentence 7", "layer 1", "layer 2", "gold", "VP", "TOP+S", "distance"):
        assert written[once] == 1
    assert written["NP"] == 2
    assert written["2 of 3 brackets are in the gold tree"] == 1
    assert written["3 of 3 brackets are in the gold tree"] == 1
    assert imread(png).shape[2] == 4


def test_brackets_show_whether_the_gold_tree_has_them():
    figure = draw_trees([Panel("", (0, ((1, (2, 3)), 4)), WORDS)], gold=GoldSentence(WORDS, (0, (1, (2, 3)), 4)))
    drawn = colours(figure)
    assert drawn[BLUE] == 2 + 1  # (1, (2, 3)) and (2, 3), and the legend's
    assert drawn[VERMILLION] == 1 + 1
    circles = [patch for patch in figure.axes[0].patches if isinstance(patch, Circle)]
    filled = Counter((to_hex(dot.get_edgecolor()), to_hex(dot.get_facecolor())) for dot in circles)
    assert filled == {(BLUE, BLUE): 3, (VERMILLION, "#ffffff"): 2}
    dashes = {to_hex(p.get_edgecolor()): p.get_linestyle() for p in figure.axes[0].patches if isinstance(p, PathPatch)}
    assert dashes[BLUE] != dashes[VERMILLION]  # not by colour alone


def test_without_a_gold_tree_there_is_nothing_to_tell_apart(tmp_path):
    figure = draw_trees([Panel("", right_branching(5), WORDS)])
    assert colours(figure) == {"#222222": 4}
    svg, *_ = save_drawing(figure, tmp_path / "plain")
    assert Counter(texts(svg)) == Counter(WORDS)


def test_bars_are_as_high_as_distances_are_great():
    figure = draw_trees([Panel("", right_branching(4), WORDS[:4], [0.0, 0.1, 0.2, 0.4])])
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)][:4]
    heights = [bar.get_height() for bar in bars]
    assert heights == pytest.approx([0, heights[3] / 4, heights[3] / 2, heights[3]])
    assert heights[3] > 0.2
    equal = draw_trees([Panel("", 0, ["word"], [0.0])])
    assert next(patch.get_height() for patch in equal.axes[0].patches if isinstance(patch, Rectangle)) == 0


@given(trees())
def test_brackets_stand_above_their_words_and_cross_no_other(tree):
    centres = [1.5 * word for word in range(size(tree))]
    placed = place(tree, centres)
    assert {bracket.span for bracket in placed} == brackets(tree)
    bars, legs = [], []
    for bracket in placed:
        x, level = bracket.at
        ends = bracket.children[0][0], bracket.children[-1][0]
        assert centres[bracket.span[0]] <= ends[0] < x < ends[1] <= centres[bracket.span[1] - 1]
        assert level == 1 + max(below for _, below in bracket.children)
        bars.append((*ends, level))
        legs += [(across, below, level) for across, below in bracket.children]
    for across, below, above in legs:
        assert not any(left <= across <= right and below < level < above for left, right, level in bars)
    for (left, right, level), (other_left, other_right, other_level) in combinations(bars, 2):
        assert level != other_level or right < other_left or other_right < left


@settings(max_examples=15)
@given(trees(9), st.data())
def test_no_text_covers_another_and_no_line_is_seen_to_cross_one(tree, data):
    word = st.text("abgjMW.", min_size=1, max_size=12)
    words = tuple(data.draw(st.lists(word, min_size=size(tree), max_size=size(tree))))
    labels = tuple(("WHADVP", *span) for span in brackets(tree))
    distances = [0.5] * len(words)
    panels = [Panel("layer", right_branching(len(words)), words, distances), Panel("mean of layers", tree, words)]
    figure = draw_trees(panels, "title " * 10, gold=GoldSentence(words, tree, labels))
    written = boxes(figure)
    for (text, box), (other_text, other) in combinations(written, 2):
        assert not box.overlaps(other), (text, other_text)
    edge = figure.bbox
    assert all(edge.contains(*box.min) and edge.contains(*box.max) for _, box in written)
    wiped = {text.get_text() for text in figure.axes[0].texts if text.get_bbox_patch() and text.get_zorder() > 3}
    assert wiped <= {"WHADVP"}
    for patch in figure.axes[0].patches:
        if isinstance(patch, PathPatch):
            lines = patch.get_path().transformed(patch.get_transform())
            assert not any(lines.intersects_bbox(box, filled=False) for text, box in written if text not in wiped)


def test_short_sentences_stand_beside_each_other_and_long_ones_below():
    def shape(words: int, panels: int) -> tuple[float, float]:
        panel = Panel("", right_branching(words), ["word"] * words, [0.5] * words)
        return tuple(draw_trees([panel] * panels).get_size_inches())

    (one_wide, one_high), (two_wide, two_high) = shape(7, 1), shape(7, 2)
    assert two_wide > 1.7 * one_wide
    assert two_high == pytest.approx(one_high)
    (one_wide, one_high), (two_wide, two_high) = shape(40, 1), shape(40, 2)
    assert two_wide == pytest.approx(one_wide)
    assert two_high > 1.7 * one_high
    assert one_wide > 40 * 0.34


def test_one_drawing_has_one_look_whatever_the_user_s_settings(tmp_path):
    def drawn(name: str) -> list[bytes]:
        figure = draw_trees([Panel("layer", right_branching(5), WORDS, [0.1] * 5)], "title", gold=GOLD)
        return [file.read_bytes() for file in save_drawing(figure, tmp_path / name)]

    once = drawn("once")
    with matplotlib.rc_context({"font.family": "monospace", "savefig.dpi": 50, "svg.hashsalt": "salt"}):
        assert drawn("again") == once
    assert b"<dc:date>" not in once[0]


def test_letters_that_are_markup_elsewhere_are_letters_here(tmp_path):
    words = ("$x$", "a_b^{c}", "\\frac", "<unk>", "&amp;", "--", "bell\a")
    svg, *_ = save_drawing(draw_trees([Panel("<$&>", right_branching(7), words)], "$y_1"), tmp_path / "odd")
    written = " ".join(texts(svg))
    for shown in ("$x$", "a_b^{c}", "\\frac", "<unk>", "&amp;", "bell\N{REPLACEMENT CHARACTER}", "<$&>", "$y_1"):
        assert shown in written


@pytest.mark.parametrize("shape", [(400.0, 0.5), (30.0, 20.0)])
def test_a_very_large_picture_gets_fewer_pixels_per_inch(monkeypatch, shape):
    monkeypatch.setattr(canvas, "SIDE", 3_000)
    monkeypatch.setattr(canvas, "PIXELS", 1e6)
    high, wide, _ = imread(io.BytesIO(canvas.render(canvas.Sheet(*shape).figure, "png"))).shape
    assert wide <= 3_000
    assert high * wide <= 1.01e6
    assert wide > 2_950 or high * wide > 0.97e6
    assert wide / high == pytest.approx(shape[0] / shape[1], rel=0.3)


@pytest.mark.parametrize(
    ("panels", "gold", "message"),
    [
        ([], None, "needs at least one tree"),
        ([Panel("layer 1", (0, 1), ["a", "b", "c"])], None, "the tree 'layer 1' has 2 leaves, expected 3"),
        ([Panel("x", (0, 1), ["a", "b"]), Panel("y", 0, ["a"])], None, "the tree 'y' has 1 words, expected 2"),
        ([Panel("x", (0, 1), ["a", "b"], [0.5])], None, "the tree 'x' has 1 distances, expected 2"),
        ([Panel("x", (0, 1), ["a", "b"], [0.5, math.nan])], None, "distance of word 2 is nan; has the model diverged"),
        ([Panel("x", (0, 1), ["a", "b"])], GOLD, "the gold tree has 5 words, but the other trees have 2"),
    ],
)
def test_what_does_not_fit_together_is_refused(panels, gold, message):
    with pytest.raises(UserError, match=message):
        draw_trees(panels, gold=gold)


def test_a_tree_is_written_in_one_line():
    assert tree_text(GOLD.tree, WORDS) == "((the cat) (saw (a dog)))"
    assert tree_text(0, ["yes"]) == "yes"


def test_matplotlib_is_not_loaded_before_the_first_picture():
    needs_it = ("matplotlib", "drawing.canvas", "drawing.picture", "drawing.view")
    for name in ("__init__.py", "panels.py"):
        at_once = ast.parse((Path(canvas.__file__).parent / name).read_text()).body  # not what functions import
        imports = [ast.unparse(line) for line in at_once if isinstance(line, ast.Import | ast.ImportFrom)]
        assert imports
        assert not [line for line in imports if any(part in line for part in needs_it)]
