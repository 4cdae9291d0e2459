"""Which gold trees a command is to use."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import LightningDataModule

from app.common.errors import UserError
from app.parsing import GoldSentence
from app.parsing.treebank import read_treebank


def gold_sentences(
    data: LightningDataModule, treebank: str | None, split: str | None
) -> tuple[str, Sequence[GoldSentence]]:
    """Gold sentences and what they are, in a few words.

    Args:
        data: asked for its own `sentences` where no treebank is given.
        treebank: folder with .mrg files.
        split: of the treebank; its default where it is left out.

    Raises:
        UserError: there are none, or the treebank has no such split.
    """
    if treebank is not None:
        bank = read_treebank(Path(treebank))
        if bank.notice:
            warnings.warn(bank.notice, stacklevel=2)
        return f"{bank.name}, {split or bank.default_split}", bank.split(split)
    if split is not None:
        raise UserError(f"--split is {split!r} of no treebank; name its folder by --treebank")
    data.prepare_data()
    data.setup("predict")
    sentences: Sequence[GoldSentence] | None = getattr(data, "sentences", None)
    if sentences is None:
        raise UserError(
            f"{type(data).__name__} has no gold trees; name a folder with .mrg files by --treebank, or a sentence of "
            "your own by --text"
        )
    return type(data).__name__, sentences
