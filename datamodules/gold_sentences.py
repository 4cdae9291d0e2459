"""Gold trees for a command: those of a treebank folder, or those of the data module."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import LightningDataModule

from app.common.errors import UserError
from app.common.spelling import MIKOLOV, Spelling
from app.parsing import GoldSentence
from app.parsing.treebank import read_treebank
from app.parsing.treebank_options import AS_THE_VOCABULARY, TreebankOptions
from datamodules.wsj import WSJ


def gold_sentences(
    data: LightningDataModule,
    treebank: str | None,
    split: str | None,
    spelling: Spelling = MIKOLOV,
    options: TreebankOptions = AS_THE_VOCABULARY,
    *,
    again: bool = False,
) -> tuple[str, Sequence[GoldSentence]]:
    """Read the gold sentences.

    Args:
        data: the data module; its `sentences` are used if no treebank is given.
        treebank: folder or file of a treebank.
        split: of the treebank; None for its default split.
        spelling: of a treebank's words.
        options: how the treebank is read.
        again: whether another split of the treebank was read before, with its notice.

    Returns:
        A short description of the source, and its sentences.

    Raises:
        UserError: there are no gold trees, or the treebank has no such split.
    """
    if treebank is not None:
        bank = read_treebank(Path(treebank), spelling, options)
        if bank.notice and not again:
            warnings.warn(bank.notice, stacklevel=2)
        return f"{bank.name}, {split or bank.default_split}", bank.split(split)
    if split is not None:
        raise UserError(f"--split is {split!r}, but no treebank is given; name its folder with --treebank")
    if not options.are_default:
        raise UserError(
            "--tags, --lower_case, --numbers, --punctuation, --labels and --encoding are for --treebank, and none is "
            "given"
        )
    data.prepare_data()
    if isinstance(data, WSJ):
        data.spelling = spelling
    data.setup("predict")
    sentences: Sequence[GoldSentence] | None = getattr(data, "sentences", None)
    if sentences is None:
        raise UserError(
            f"{type(data).__name__} has no gold trees; name a treebank with --treebank, or a sentence of "
            "your own with --text"
        )
    return type(data).__name__, sentences
