"""Decides for the files of a treebank whether their trees have labels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.common.errors import UserError
from app.parsing.labels import Evidence
from app.parsing.treebank_files import BEGINNING, TreebankFile, beginning
from app.parsing.treebank_formats import brackets


def decide_labels(
    files: Sequence[TreebankFile], place: Path, *, labels: bool | None, encoding: str
) -> tuple[list[TreebankFile], str]:
    """The files with the format that their trees have, and a phrase about a decision that their content leaves open.

    Files of a few trees may not tell by themselves; what all of them tell together decides.

    Args:
        files: of a treebank; other formats than bracketed trees always have labels.
        place: the treebank's folder, for messages.
        labels: what the user says; None to decide by content.
        encoding: of the files.

    Raises:
        UserError: some trees have labels and others do not.
    """
    if labels is not None:
        return [_as(file, labelled=labels) for file in files], ""
    told: dict[TreebankFile, bool] = {}
    together = Evidence()
    for file in files:
        if file.format is not brackets.FORMAT:
            continue
        text = beginning(file.path, encoding)
        found = brackets.label_evidence(text, cut=len(text) >= BEGINNING // 4)  # characters have up to four bytes
        labelled, certain = (True, True) if found is None else found.verdict()
        if certain:
            told[file] = labelled
        if found is not None:
            together.add(found)
    if len(set(told.values())) > 1:
        one, other = (next(file for file in told if told[file] is each) for each in (True, False))
        raise UserError(
            f"{place}: has trees with labels ({one.path}) and without ({other.path}); name a folder or file with "
            "one of them, or say --labels true or false"
        )
    labelled, certain = (next(iter(told.values())), True) if told else together.verdict()
    notice = ""
    if not certain and together.trees:
        few = "its only tree does" if together.trees == 1 else f"its {together.trees} trees do"
        how = "the first word of each bracket as its label" if labelled else "every word as a word"
        opposite = str(not labelled).lower()
        notice = f"{few} not tell whether brackets have labels: read with {how} (or say --labels {opposite})"
    return [_as(file, labelled=told.get(file, labelled)) for file in files], notice


def _as(file: TreebankFile, *, labelled: bool) -> TreebankFile:
    return file if labelled or file.format is not brackets.FORMAT else replace(file, format=brackets.UNLABELLED)
