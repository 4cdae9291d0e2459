"""Gold trees on which a layer and a builder are chosen, apart from those that the choice is tested on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import LightningDataModule

from app.common.errors import UserError
from app.common.spelling import MIKOLOV, Spelling
from app.parsing import GoldSentence
from app.parsing.treebank_options import AS_THE_VOCABULARY, TreebankOptions
from datamodules.gold_sentences import gold_sentences

LEAST_WORDS = 6  # of sentences that are the same in two treebanks only if these overlap; shorter ones recur
MOST_SHARED = 0.1  # share of these that two parts of a treebank may have in common; some newspaper sentences recur


@dataclass(frozen=True, slots=True)
class Division:
    """Sentences to choose on, and sentences to test on.

    Args:
        title: of the sentences to choose on.
        validation: the sentences to choose on.
        test: the sentences to test on.
    """

    title: str
    validation: Sequence[GoldSentence]
    test: Sequence[GoldSentence]


def validation_sentences(
    data: LightningDataModule,
    treebank: str | None,
    choose_on: str,
    test: Sequence[GoldSentence],
    spelling: Spelling = MIKOLOV,
    options: TreebankOptions = AS_THE_VOCABULARY,
) -> Division:
    """Read the sentences to choose on.

    Args:
        data: the data module; "valid" names its own validation sentences where no treebank is given.
        treebank: of the sentences to test on; None for those of the data module.
        choose_on: a number of sentences to test on, which are taken from their beginning; a split of the treebank; or
            another treebank.
        test: the sentences to test on.
        spelling: of a treebank's words.
        options: how treebanks are read.

    Raises:
        UserError: there are no such sentences, or some of them are among those to test on.
    """
    if choose_on.isdecimal():
        number = int(choose_on)
        if not 1 <= number < len(test):
            raise UserError(f"--choose_on is {number}; it must leave some of the {len(test):,} sentences to test on")
        return Division(f"the first {number:,} sentences", test[:number], test[number:])
    if treebank is None and not Path(choose_on).exists():
        own: Sequence[GoldSentence] | None = getattr(data, "validation_sentences", None)
        if choose_on != "valid" or not own:
            raise UserError(
                f"--choose_on is {choose_on!r}, which is neither a treebank nor a number of sentences"
                + (", nor valid, the validation sentences of the data" if own else "")
            )
        return Division(f"{type(data).__name__}, valid", own, test)
    if Path(choose_on).exists():
        title, validation = gold_sentences(data, choose_on, None, spelling, options)
    else:
        title, validation = gold_sentences(data, treebank, choose_on, spelling, options, again=True)
    shared, fewer = _shared(validation, test)
    if shared > MOST_SHARED * fewer:
        raise UserError(
            f"--choose_on: {shared:,} sentences of {title} are among those to test on, so that the choice would not be "
            "made on validation trees only; choose on another split or treebank"
        )
    return Division(title, validation, test)


def _shared(validation: Sequence[GoldSentence], test: Sequence[GoldSentence]) -> tuple[int, int]:
    """How many sentences are in both, of lengths that both have; and how many such sentences the smaller one has.

    Sentences of fewer than `LEAST_WORDS` words count only where there are no longer ones.
    """
    longest = min(max(len(sentence.words) for sentence in each) for each in (validation, test))
    least = min(LEAST_WORDS, longest)
    both = [{s.words for s in each if least <= len(s.words) <= longest} for each in (validation, test)]
    return len(both[0] & both[1]), min(map(len, both))
