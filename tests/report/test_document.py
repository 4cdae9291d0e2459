"""The figures of a report: their headings."""

from pathlib import Path

from helpers.made_up_masks import write_masks
from helpers.made_up_run import write_run

from app.report.build import read_document
from app.report.document import Picture


def test_a_heading_is_the_beginning_of_the_caption() -> None:
    picture = Picture(stem="a", caption="Mask overlap of tickets: survivors of both. More.", alt="", source={})
    assert (picture.title, picture.remarks) == ("Mask overlap of tickets", "Survivors of both. More.")


def test_figures_of_one_experiment_among_several_say_which_and_what(tmp_path: Path) -> None:
    runs = [tmp_path / "one", tmp_path / "two"]
    for run in runs:
        write_run(run, rounds=1, replicates=1, methods=("iterative", "one_shot"), reinits=1)
        write_masks(run)
    pictures = [picture for picture in read_document(runs, "command").pictures if picture.of]
    titles = [picture.title for picture in pictures]
    assert len(set(titles)) == len(titles) > 4
    for picture in pictures:
        assert picture.caption.startswith(picture.title)
        assert picture.title.startswith(f"{picture.of}: ")
