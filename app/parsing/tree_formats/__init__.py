"""Trees of anybody's parser: one file per format, and which of them a file is in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_text
from app.parsing.tree_formats import json_lines, labelled, nested_lists, spans, transitions, unlabelled
from app.parsing.tree_formats.any_tree import AnyTree

__all__ = ["FORMATS", "AnyTree", "Format", "read_any"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of files of trees.

    Args:
        recognises: whether a text may be in it.
        read: the trees of a text; the second argument names the file in messages.
    """

    recognises: Callable[[str], bool]
    read: Callable[[str, str], list[AnyTree]]


# In the order in which they are tried.
FORMATS: dict[str, Format] = {
    "json_lines": Format(json_lines.recognises, json_lines.read),
    "transitions": Format(transitions.recognises, transitions.read),
    "inclusive_spans": Format(spans.recognises_inclusive, spans.read_inclusive),
    "spans": Format(spans.recognises, spans.read),
    "nested_lists": Format(nested_lists.recognises, nested_lists.read),
    "labelled": Format(labelled.recognises, labelled.read),
    "unlabelled": Format(unlabelled.recognises, unlabelled.read),
}


def read_any(path: Path, name: str | None = None) -> tuple[str, list[AnyTree]]:
    """Read a file of trees of any format.

    Args:
        path: the file.
        name: one of `FORMATS`; None to choose by content.

    Returns:
        The format's name, and at least one tree.

    Raises:
        UserError: the file cannot be read, is in none of the formats, or not in the one that is named.
    """
    if name is not None and name not in FORMATS:
        raise UserError(f"there is no format {name!r}; choose from {', '.join(FORMATS)}")
    text, _ = read_text(path)
    if not text.strip():
        raise UserError(f"{path}: the file is empty; expected trees, such as ((the cat) sat), one a line")
    chosen = name or next((each for each, form in FORMATS.items() if form.recognises(text)), None)
    if chosen is None:
        raise UserError(f"{path}: in none of the formats {', '.join(FORMATS)}; name one with --score_format")
    try:
        return chosen, FORMATS[chosen].read(text, str(path))
    except UserError as error:
        seems = next((each for each, form in FORMATS.items() if form.recognises(text)), chosen)
        if seems == chosen:
            raise
        raise UserError(f"{error}; the file seems to be in the format {seems}, and not {chosen}") from None
