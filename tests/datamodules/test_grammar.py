import hashlib
from math import log
from pathlib import Path

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

from app.common.errors import UserError
from app.common.vocabulary import EOS, UNK
from app.grammar.reading import ENGLISH
from app.parsing.brackets import brackets
from datamodules.grammar import Grammar

PARTS = ("train", "val", "test")
SIZES = {"train_sentences": 300, "val_sentences": 40, "test_sentences": 50}


@pytest.fixture(scope="module")
def english() -> Grammar:
    data = Grammar(**SIZES, bptt=20)
    data.prepare()
    return data


@pytest.fixture
def own(tmp_path) -> Path:
    """The sentence "a b" is three times as frequent as "a b b"; each has two derivations."""
    path = tmp_path / "own.pcfg"
    path.write_text(
        "S_x -> S_y [0.5] | 'a' B_1 [0.5]\nS_y -> 'a' B_1 [1.0]\nB_1 -> B_2 [1.0]\nB_2 -> 'b' [0.75] | 'b' 'b' [0.25]"
    )
    return path


def lines(data: Grammar, part: str) -> list[list[str]]:
    """The sentences of a stream."""
    words = [data.vocabulary.words[number] for number in data.corpus.streams[part].tolist()]
    assert words[0] == words[-1] == EOS
    return [line.split() for line in " ".join(words[1:-1]).split(EOS)]


def test_the_texts_are_sentences_between_ends(english):
    assert [len(lines(english, part)) for part in PARTS] == list(SIZES.values())
    assert all(len(line) > 1 for line in lines(english, "train"))
    assert english.vocabulary.words[:2] == [EOS, UNK]
    assert set(english.vocabulary.words[2:]) == set(english.pcfg.words)
    assert english.vocabulary.words[1] not in {word for part in PARTS for line in lines(english, part) for word in line}
    assert "laughs" in english.vocabulary
    assert english.vocabulary.encode(["unheard-of"]) == [1]


def test_every_word_of_the_test_text_is_predicted_once(english):
    predicted = torch.cat([window.targets.squeeze(1) for window in english.test_dataloader()])
    assert torch.equal(predicted, english.corpus.streams["test"][1:])
    assert len(predicted) == sum(len(sentence.words) + 1 for sentence in english.sentences)


def test_sentences_are_those_of_the_test_text_with_their_trees(english):
    assert [list(sentence.words) for sentence in english.sentences] == lines(english, "test")
    labels = set()
    for sentence in english.sentences:
        spans = {(start, end) for _, start, end in sentence.constituents}
        assert spans == brackets(sentence.tree)
        assert ("S", 0, len(sentence.words)) in sentence.constituents
        labels |= {label for label, _, _ in sentence.constituents}
        assert len(set(sentence.constituents)) == len(sentence.constituents)
    assert {"S", "NP", "VP", "PP"} <= labels <= {"S", "SBAR", "NP", "VP", "PP", "ADJP"}
    groups = list(english.predict_dataloader())
    assert [words for group in groups for words in group] == [sentence.words for sentence in english.sentences]


def test_parts_and_seeds_are_different_texts_and_a_seed_is_the_same_text(english):
    assert len({english.checksums[part] for part in PARTS}) == 3
    same, other = Grammar(**SIZES, batch_size=7), Grammar(**SIZES, seed=1)
    for data in (same, other):
        data.setup()
    assert same.checksums == english.checksums
    assert all(torch.equal(same.corpus.streams[part], english.corpus.streams[part]) for part in PARTS)
    assert same.sentences == english.sentences
    assert not {other.checksums[part] for part in PARTS} & {english.checksums[part] for part in PARTS}
    assert other.vocabulary.sha256 == english.vocabulary.sha256


def test_the_beginning_of_a_text_does_not_depend_on_its_length(english):
    short = Grammar(train_sentences=100, val_sentences=30, test_sentences=20)
    short.setup()
    assert lines(short, "train") == lines(english, "train")[:100]
    assert short.sentences == english.sentences[:20]


def test_checksums_are_of_the_grammar_and_of_the_texts(english):
    assert english.checksums["grammar"] == hashlib.sha256(ENGLISH.read_bytes()).hexdigest()
    text = "\n".join(" ".join(line) for line in lines(english, "val"))
    assert english.checksums["val"] == hashlib.sha256(text.encode()).hexdigest()


def test_the_optimal_loss_is_that_of_the_grammar_itself(own):
    data = Grammar(str(own), **SIZES)
    data.setup()
    for part in ("val", "test"):
        sentences = lines(data, part)
        counts = [sentences.count(["a", "b"]), sentences.count(["a", "b", "b"])]
        assert sum(counts) == len(sentences)
        surprise = -counts[0] * log(0.75) - counts[1] * log(0.25)
        assert data.optimal_losses[part] == pytest.approx(surprise / (3 * counts[0] + 4 * counts[1]), abs=1e-14)
    assert data.optimal_losses is data.optimal_losses


def test_the_optimum_is_between_certainty_and_the_frequencies_of_words(english):
    for part in ("val", "test"):
        counts = english.corpus.streams[part][1:].bincount().double()
        frequencies = counts / counts.sum()
        entropy = -(frequencies * frequencies.clamp_min(1e-9).log()).sum().item()
        assert 2 < english.optimal_losses[part] < entropy - 1


def test_labels_end_at_the_underscore_and_variants_of_one_are_one(own):
    data = Grammar(str(own), **SIZES)
    long = next(sentence for sentence in data.sentences if len(sentence.words) == 3)
    assert long.tree == (0, (1, 2))
    assert long.constituents == (("B", 1, 3), ("S", 0, 3))


def test_a_grammar_of_ones_own_is_read_when_it_is_needed(tmp_path):
    data = Grammar(str(tmp_path / "none.pcfg"))
    with pytest.raises(UserError, match=r"none\.pcfg: cannot be read"):
        data.prepare()
    (tmp_path / "none.pcfg").write_text("S -> 'a' [0.5]")
    with pytest.raises(UserError, match=r"none\.pcfg, line 1: the probabilities of S sum to 0\.5"):
        data.prepare()


@pytest.mark.parametrize("part", PARTS)
def test_no_sentences_are_too_few(part):
    with pytest.raises(UserError, match=rf"^data\.{part}_sentences is 0; expected 1 or more$"):
        Grammar(**{f"{part}_sentences": 0})


def test_the_command_line_can_make_it_and_write_it_down():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    config = parser.parse_args(["--data=datamodules.grammar.Grammar", "--data.train_sentences=7", "--data.seed=3"])
    again = parser.parse_string(parser.dump(config))
    assert set(vars(again.data.init_args)) == {
        *("grammar", "train_sentences", "val_sentences", "test_sentences"),
        *("batch_size", "val_batch_size", "test_batch_size", "bptt", "seed"),
    }
    data = Grammar(**vars(again.data.init_args))
    assert data.grammar is None
    assert data.batch_size == 20
