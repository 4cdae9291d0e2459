"""What a report says of masks and surviving weights, against plain loops over the same files."""

import csv
import io
import json
import math
from itertools import combinations, product
from pathlib import Path

import pytest
from helpers.made_up_masks import SHAPES, initial_weights, made_up_masks, write_masks
from helpers.made_up_run import write_run
from helpers.pages import text_boxes

from app.common.errors import UserError
from app.plotting.draw import draw
from app.report.build import read_document
from app.report.document import Document
from app.report.layer_files import read_layers
from app.report.layer_numbers import LayerNumbers, chosen_layers, layer_titles, natural_order
from app.report.layer_section import layer_section
from app.report.lottery_document import methods_of
from app.report.lottery_run import read_lotteries
from app.report.markdown import markdown
from app.report.page import page
from app.runs.layout import NetworkKey, RunLayout
from app.runs.tensors import save_tensors

STEMS = ("mask_overlap", "mask_overlap_methods", "layer_density", "initial_weights", "initial_size", "kept_sign")


def numbers_of(run: Path) -> LayerNumbers | None:
    lotteries = read_lotteries([run])
    return read_layers(lotteries[0], methods_of(lotteries))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rounds, two replicates, two branches of each control. Read only."""
    root = tmp_path_factory.mktemp("runs") / "masks"
    write_run(root, rounds=3, replicates=2, methods=("iterative", "one_shot"), reinits=2, masks=2)
    write_masks(root)
    return root


@pytest.fixture(scope="module")
def numbers(run: Path) -> LayerNumbers:
    return numbers_of(run)


@pytest.fixture(scope="module")
def document(run: Path) -> Document:
    return read_document([run], "command")


def test_every_network_has_a_row_per_layer_and_those_with_the_masks_of_another_none(numbers: LayerNumbers):
    assert numbers.layers == list(SHAPES)
    assert numbers.same_masks == {"random_reinit": "iterative"}
    expected = {
        (method, replicate, round_, layer)
        for replicate, layer in product(range(2), SHAPES)
        for method, round_ in [("dense", 0), *product(("iterative", "one_shot", "random_mask"), (1, 2, 3))]
    }
    found = [(row.method, row.replicate, row.round, row.layer) for row in numbers.rows]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert numbers.missing == []


def test_signs_and_sizes_are_those_of_a_loop(numbers: LayerNumbers):
    (row,) = (
        row
        for row in numbers.rows
        if (row.method, row.replicate, row.round, row.layer) == ("iterative", 1, 2, "net.fc2.weight")
    )
    start = initial_weights(1)["net.fc2.weight"].flatten().tolist()
    mask = made_up_masks("iterative", 2, 1)["net.fc2.weight"].flatten().tolist()
    kept = [(place, weight) for place, (weight, stays) in enumerate(zip(start, mask, strict=True)) if stays]
    assert row.survivors == len(kept) == round(0.64 * 96)
    assert row.density == len(kept) / 96
    assert row.positive == sum(weight > 0 for _, weight in kept) / len(kept)
    mean = sum(map(abs, start)) / len(start)
    assert row.size == pytest.approx(sum(abs(weight) for _, weight in kept) / len(kept) / mean)
    assert row.kept_sign == sum(place % 2 == 0 for place, _ in kept) / len(kept)
    controls = [row for row in numbers.rows if row.method == "random_mask"]
    assert all(math.isnan(row.kept_sign) and not math.isnan(row.size) for row in controls)


def test_overlaps_are_those_of_a_loop(numbers: LayerNumbers):
    pairs = {(row.method, row.replicate, row.against, row.against_replicate) for row in numbers.replicates}
    assert pairs == {(method, 0, method, 1) for method in ("dense", "iterative", "one_shot", "random_mask")}
    assert {(row.method, row.against) for row in numbers.methods} == {
        (second, first) for first, second in combinations(("iterative", "one_shot", "random_mask"), 2)
    }
    assert all(row.replicate == row.against_replicate for row in numbers.methods)
    row = next(row for row in numbers.methods if (row.method, row.replicate, row.round) == ("one_shot", 1, 3))
    ours, theirs = (
        {place for place, stays in enumerate(made_up_masks(method, 3, 1)[row.layer].flatten().tolist()) if stays}
        for method in ("one_shot", "iterative")
    )
    assert row.both == len(ours & theirs)
    assert row.jaccard == len(ours & theirs) / len(ours | theirs)
    assert row.low <= row.chance <= row.high


def test_histograms_count_every_weight_once_and_survivors_at_both_ends(numbers: LayerNumbers):
    by_layer = [row for row in numbers.histograms if (row.layer, row.round) == ("net.fc1.weight", 3)]
    assert {row.method for row in numbers.histograms} == {"iterative"}
    assert sum(row.weights for row in by_layer) == 2 * 120
    assert sum(row.survivors for row in by_layer) == 2 * round(0.8**3 * 120)
    assert all(row.survivors <= row.weights for row in by_layer)
    least = min(
        weight.abs()[made_up_masks("iterative", 3, replicate)["net.fc1.weight"]].min().item()
        for replicate in range(2)
        for weight in [initial_weights(replicate)["net.fc1.weight"]]
    )
    assert all(row.survivors == 0 for row in by_layer if max(abs(row.left), abs(row.right)) < least)


def test_the_page_has_a_section_with_figures_and_numbers(document: Document):
    pictures = document.groups["Masks and surviving weights"]
    assert tuple(picture.stem for picture in pictures) == STEMS
    stems = [picture.stem for picture in document.pictures]
    text, html = markdown(document), page(document, dict.fromkeys(stems, b""), ["svg"])
    for said in (text, html):
        assert said.index("Masks and surviving weights") > said.index("Figures")
    assert list(document.tables) == ["comparisons.csv", "layers.csv", "mask_overlap.csv", "initial_weights.csv"]
    rows = list(csv.DictReader(io.StringIO(document.tables["layers.csv"])))
    assert len(rows) == 2 * 3 * (1 + 3 * 3)
    assert {row["kept_sign"] for row in rows if row["method"] == "random_mask"} == {""}
    assert any("random reinit has those of iterative" in note for note in document.reading)


def test_pictures_say_what_they_show(document: Document):
    by_stem = {picture.stem: picture for picture in document.pictures}
    assert "iterative, one-shot, random mask: fc1 50.8 % at 51.3 %" in by_stem["layer_density"].alt
    assert "fc1: one-shot 0." in by_stem["mask_overlap_methods"].alt
    assert list(by_stem["kept_sign"].source.panels) == ["iterative", "one-shot"]
    assert [panel.name for panel in by_stem["initial_weights"].source.panels] == ["fc1", "fc2", "output"]
    assert all(len(panel.chances) == 1 for panel in by_stem["mask_overlap"].source.panels)


def test_no_text_of_these_figures_is_cut_or_covered(document: Document):
    for picture in document.groups["Masks and surviving weights"]:
        figure = draw(picture.source)
        boxes = text_boxes(figure)
        for text, box in boxes:
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, (picture.stem, text)
            assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, (picture.stem, text)
        for (text, box), (other, beside) in combinations(boxes, 2):
            assert not box.overlaps(beside), (picture.stem, text, other)


def test_what_was_not_kept_is_said_in_one_line(tmp_path: Path):
    run = tmp_path / "run"
    write_run(run, rounds=2, replicates=1)
    lotteries = read_lotteries([run])
    section = layer_section(lotteries, methods_of(lotteries))
    assert (section.pictures, section.tables) == ([], {})
    assert section.reading == ["No masks are in these run directories: there are no figures of layers."]
    write_masks(run, initial=False)
    layout = RunLayout(run)
    layout.network(NetworkKey(0, "iterative", 2)).mask.unlink()
    section = layer_section(lotteries, methods_of(lotteries))
    assert [picture.stem for picture in section.pictures] == ["layer_density"], "one replicate, no initial weights"
    assert section.reading[-1] == (
        "Not kept, and so not in these figures: masks of 1 network; initial weights of replicate 0."
    )


def test_trained_weights_that_were_not_kept_leave_out_signs_alone(tmp_path: Path):
    write_run(tmp_path / "run", rounds=1, replicates=1)
    write_masks(tmp_path / "run")
    for path in (tmp_path / "run").rglob("final.safetensors"):
        path.unlink()
    found = numbers_of(tmp_path / "run")
    assert found.missing == ["trained weights of 2 networks (pruning.keep without final)"]
    assert all(math.isnan(row.kept_sign) and not math.isnan(row.size) for row in found.rows)


def test_a_damaged_mask_is_refused_in_one_line(tmp_path: Path):
    write_run(tmp_path / "run", rounds=1, replicates=1)
    write_masks(tmp_path / "run")
    path = RunLayout(tmp_path / "run").network(NetworkKey(0, "iterative", 1)).mask
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match=r"round_01/mask\.safetensors: not a safetensors file"):
        numbers_of(tmp_path / "run")


@pytest.mark.parametrize("shapes", [{**SHAPES, "net.fc2.weight": (7, 12)}, {"net.fc1.weight": (12, 10)}])
def test_networks_of_other_sizes_are_refused_in_one_line(shapes: dict[str, tuple[int, ...]], tmp_path: Path):
    write_run(tmp_path / "run", rounds=1, replicates=1)
    write_masks(tmp_path / "run")
    path = RunLayout(tmp_path / "run").network(NetworkKey(0, "iterative", 1)).mask
    save_tensors(path, made_up_masks("iterative", 1, 0, shapes=shapes))
    with pytest.raises(UserError, match=r"as net\.fc2\.weight, and another network of 'run' has \(8, 12\)"):
        numbers_of(tmp_path / "run")


def test_two_lotteries_have_figures_and_files_of_their_own(run: Path, tmp_path: Path):
    write_run(tmp_path / "other", rounds=1, replicates=1)
    write_masks(tmp_path / "other")
    lotteries = read_lotteries([run, tmp_path / "other"])
    section = layer_section(lotteries, methods_of(lotteries))
    assert {"masks_layers.csv", "other_layers.csv"} <= set(section.tables)
    assert "masks_mask_overlap" in {picture.stem for picture in section.pictures}
    assert "other_mask_overlap" not in {picture.stem for picture in section.pictures}


def test_many_layers_have_some_panels_and_all_rows(tmp_path: Path):
    shapes = {f"net.blocks.{number}.conv.weight": (3, 4) for number in range(20)}
    write_run(tmp_path / "run", rounds=1, replicates=2)
    write_masks(tmp_path / "run", shapes)
    lotteries = read_lotteries([tmp_path / "run"])
    section = layer_section(lotteries, methods_of(lotteries))
    (overlap,) = (picture for picture in section.pictures if picture.stem == "mask_overlap")
    assert [panel.name for panel in overlap.source.panels] == ["0", "3", "5", "8", "11", "14", "16", "19"]
    assert overlap.caption.endswith("8 of 20 layers, evenly spread; the CSV file has all.")
    assert section.tables["layers.csv"].count("\n") == 1 + 20 * 4


def test_layers_are_in_the_order_of_the_network(tmp_path: Path):
    write_run(tmp_path / "run", rounds=1, replicates=1)
    write_masks(tmp_path / "run", {"b.weight": (3, 4), "a.weight": (4, 2)})
    assert numbers_of(tmp_path / "run").layers == ["a.weight", "b.weight"]
    told = {"checksums": {}, "layers": {"b.weight": {}, "a.weight": {}}}
    RunLayout(tmp_path / "run").network(NetworkKey(0, "dense", 0)).report.write_text(json.dumps(told))
    lotteries = read_lotteries([tmp_path / "run"])
    assert read_layers(lotteries[0], methods_of(lotteries)).layers == ["b.weight", "a.weight"]


@pytest.mark.parametrize(
    ("names", "titles"),
    [
        (["net.fc1.weight", "net.output.weight"], ["fc1", "output"]),
        (["net.output.weight"], ["output"]),
        (["weight"], ["weight"]),
        (["a", "b.weight"], ["a", "b.weight"]),
        (
            ["language.rnn.layers.0.weight_hh", "language.rnn.layers.1.weight_hh", "language.rnn.layers.1.weight_ih"],
            ["0.weight_hh", "1.weight_hh", "1.weight_ih"],
        ),
        (["net.0.weight", "net.0.conv.weight"], ["weight", "conv.weight"]),
    ],
)
def test_titles_leave_out_what_all_names_share(names: list[str], titles: list[str]):
    assert list(layer_titles(names).values()) == titles


def test_layers_are_chosen_evenly_and_ordered_by_their_numbers():
    assert chosen_layers("abc") == ["a", "b", "c"]
    assert chosen_layers([str(number) for number in range(100)], 3) == ["0", "50", "99"]
    assert natural_order(["l.10.w", "l.2.w", "fc.w"]) == ["fc.w", "l.2.w", "l.10.w"]
