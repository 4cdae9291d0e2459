"""Minimal pairs in the words of the package's English, compared with its grammar's exact probabilities."""

from functools import cache
from itertools import chain

import numpy as np

from app.grammar.inside import Inside
from app.grammar.reading import ENGLISH as GRAMMAR
from app.grammar.reading import read_pcfg
from app.syntax.stimuli import Stimuli
from app.syntax.templates import ENGLISH, MARVIN_LINZEN, read_templates

STRIDE = 11  # every so many items are tested; all of them would take some seconds


@cache
def made() -> Stimuli:
    return read_templates(ENGLISH)


def some() -> list[tuple[str, ...]]:
    """Some items of every condition."""
    firsts = {(item.case, item.condition): item for item in made().items}
    return [item.sentences for item in chain(firsts.values(), made().items[::STRIDE])]


def test_the_rows_are_marvin_and_linzens() -> None:
    ours, theirs = (
        [(row.term, row.name, row.sentences) for row in stimuli.constructions]
        for stimuli in (made(), read_templates(MARVIN_LINZEN))
    )
    assert ours == theirs


def test_all_words_are_the_grammars() -> None:
    words = {word for item in made().items for sentence in item.sentences for word in sentence.split()}
    assert words <= set(read_pcfg(GRAMMAR).words)


def test_the_grammar_makes_the_first_sentence_and_not_the_others() -> None:
    inside, items = Inside(read_pcfg(GRAMMAR)), some()
    better = inside.log_probabilities(sentences[0].split() for sentences in items)
    worse = inside.log_probabilities(sentence.split() for sentences in items for sentence in sentences[1:])
    assert np.isfinite(better).all()
    assert np.isneginf(worse).all()
    assert len(better) > 2_000
