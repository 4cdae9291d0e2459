"""What `parse` wrote beside trainings: its tables of scores, and drawings of trees."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import LARGEST_NOTE, read_bytes, read_text
from app.report.fit_run import FitRun
from app.report.tables import NONE, Table
from app.runs.layout import TrainingLayout

LARGEST_PICTURE = 1 << 26  # bytes
DRAWN = 3  # drawings that a page shows of each experiment
MEASURES = {"sentence_f1": "UF1", "sentence_f1_kim": "Kim", "corpus_f1": "corpus", "corpus_f1_root": "+root"}
SCORES_NOTE = (
    "Parses: UF1 as above, over short sentences and over all; Kim: without sentences of one word; corpus: F1 of the "
    "brackets of all sentences together; +root: with those around whole sentences; depth: brackets around a word."
)
SENTENCE = re.compile(r"sentence_(\d+)\.svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The trees of one sentence.

    Args:
        stem: of the picture's files in the report.
        experiment: whose trees.
        training: the same, with the seed.
        sentence: its number in the treebank, from 1.
        gold: the gold tree in brackets, empty where it is not told.
        svg: the picture.
        png: the same.
    """

    stem: str
    experiment: str
    training: str
    sentence: int
    gold: str
    svg: bytes
    png: bytes


def read_drawings(fits: Sequence[FitRun]) -> list[Drawing]:
    """The first few drawings of every experiment, of its first seed that has any.

    Raises:
        UserError: one cannot be read.
    """
    found: list[Drawing] = []
    for fit in fits:
        pictures = ((each, _pictures(_folder(each.layout))) for each in fit.trainings)
        training, chosen = next(((each, some) for each, some in pictures if some), (fit.trainings[0], []))
        for sentence, svg in chosen:
            found.append(
                Drawing(
                    stem=f"tree_{len(found) + 1}",
                    experiment=fit.name,
                    training=f"{fit.name}{fit.which(training)}",
                    sentence=sentence,
                    gold=_line(svg.with_name("gold.txt"), sentence),
                    svg=_bytes(svg),
                    png=_bytes(svg.with_suffix(".png")),
                )
            )
    return found


def scores_tables(fit: FitRun) -> list[Table]:
    """The tables that `parse` printed, one for each seed that has been parsed, without recall by tag.

    Raises:
        UserError: a scores.csv is not what `parse` wrote.
    """
    paths = [(_folder(each.layout) / "scores.csv", fit.which(each)) for each in fit.trainings]
    return [_scores_table(path, f"parses{which}") for path, which in paths if path.exists()]


def _folder(layout: TrainingLayout) -> Path:
    return layout.root / "parse"


def read_pictures(folder: Path) -> list[tuple[int, dict[str, bytes]]]:
    """Numbers of the sentences of the first few drawings in a folder, and their files by ending.

    Raises:
        UserError: one cannot be read.
    """
    return [(number, {"svg": _bytes(svg), "png": _bytes(svg.with_suffix(".png"))}) for number, svg in _pictures(folder)]


def _pictures(folder: Path) -> list[tuple[int, Path]]:
    """Numbers of sentences and their SVG files, where a PNG is beside these."""
    found = {int(match[1]): path for path in folder.glob("*.svg") if (match := SENTENCE.fullmatch(path.name))}
    return [(number, found[number]) for number in sorted(found) if found[number].with_suffix(".png").exists()][:DRAWN]


def _bytes(path: Path) -> bytes:
    return read_bytes(path, LARGEST_PICTURE)


def _line(path: Path, number: int) -> str:
    lines = read_bytes(path).decode(errors="replace").splitlines() if path.is_file() else []
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _scores_table(path: Path, caption: str) -> Table:
    text, _ = read_text(path, LARGEST_NOTE)
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
        limit = max(int(row["max_words"] or 0) for row in rows)
        everything = {row["name"]: row for row in rows if not row["max_words"]}
        short = {row["name"]: row for row in rows if row["max_words"]}
        cells = [_cells(row, short[name]) for name, row in everything.items()]
        ((sentences, few),) = {
            (int(row["sentences"]), int(short[name]["sentences"])) for name, row in everything.items()
        }
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: not the scores that parse writes ({error}); was it edited by hand?") from None
    return Table(
        caption=f"{caption}: {sentences:,} sentences, {few:,} of them of at most {limit} words (F1 in %)",
        header=("", f"UF1 \N{LESS-THAN OR EQUAL TO} {limit}", *MEASURES.values(), "depth"),
        rows=cells,
        words=(0,),
    )


def _cells(row: dict[str, str], short: dict[str, str]) -> tuple[str, ...]:
    fractions = [_number(text, greatest=1.0) for text in (short["sentence_f1"], *(row[each] for each in MEASURES))]
    values = [value if value is None else 100 * value for value in fractions]
    return (
        row["name"],
        *(NONE if value is None else f"{value:.1f}" for value in [*values, _number(row["depth"])]),
    )


def _number(text: str, greatest: float = 1e9) -> float | None:
    """A cell, None where it is empty.

    Raises:
        ValueError: no number from 0 to `greatest`.
    """
    value = float(text or 0)
    if not 0 <= value <= greatest:
        raise ValueError(f"{text} is not between 0 and {greatest:g}")
    return value if text else None
