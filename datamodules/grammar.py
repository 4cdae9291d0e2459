"""Sentences sampled from a probabilistic grammar, with known trees and known probabilities; needs no data files."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.seeds import derive_seed
from app.common.vocabulary import EOS, UNK, Vocabulary
from app.grammar.inside import Inside
from app.grammar.pcfg import PCFG
from app.grammar.reading import ENGLISH, read_pcfg
from app.grammar.sampling import Node, leaves, sample
from app.parsing.gold import gold_sentence
from app.parsing.trees import GoldSentence
from app.syntax.templates import ENGLISH as ENGLISH_TEMPLATES
from datamodules.text import Corpus, TextDataModule
from datamodules.wsj import SentenceGroups


class Grammar(TextDataModule):
    """Sentences sampled from a probabilistic context-free grammar: a small English, or the user's own.

    Each text begins with `<eos>`, so that its first word is predicted like every other one. The vocabulary includes
    `<unk>`, which does not occur in the sentences, for parsing the user's own sentences.

    Args:
        grammar: a file in NLTK's PCFG format; None for the English grammar of the package.
        train_sentences: number of training sentences.
        val_sentences: number of validation sentences.
        test_sentences: number of test sentences; their gold trees are available.
        batch_size: columns of the training text, over all processes together.
        val_batch_size: columns of the validation text, over all processes together.
        test_batch_size: columns of the test text, over all processes together.
        bptt: the usual length of a training window, and the length of an evaluation window.
        seed: of the sentences and of the lengths of training windows; each part has its own random numbers.

    Raises:
        UserError: one of the sizes is below 1.
    """

    def __init__(
        self,
        grammar: str | None = None,
        train_sentences: int = 20_000,
        val_sentences: int = 1_000,
        test_sentences: int = 1_000,
        batch_size: int = 20,
        val_batch_size: int = 10,
        test_batch_size: int = 1,
        bptt: int = 70,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, val_batch_size, test_batch_size, bptt, seed)
        self._sizes = {"train": train_sentences, "val": val_sentences, "test": test_sentences}
        for part, size in self._sizes.items():
            if size < 1:
                raise UserError(f"data.{part}_sentences is {size}; expected 1 or more")
        self.grammar = grammar
        self._seeds = {part: derive_seed(seed, 0, f"{part} sentences") for part in self._sizes}

    def read(self) -> Corpus:
        """Read the grammar and sample the three texts; takes a few seconds.

        Raises:
            UserError: the file cannot be read, or the grammar is invalid.
        """
        vocabulary = Vocabulary([EOS, UNK, *self.pcfg.words])
        streams, checksums = {}, {"grammar": self.pcfg.sha256}
        for part in self._sizes:
            lines = [leaves(tree) for tree in self._sample(part)]
            streams[part] = _stream(lines, vocabulary)
            checksums[part] = hashlib.sha256("\n".join(map(" ".join, lines)).encode()).hexdigest()
        return Corpus(vocabulary, streams, checksums)

    @cached_property
    def pcfg(self) -> PCFG:
        """The grammar.

        Raises:
            UserError: the file cannot be read, or the grammar is invalid.
        """
        return read_pcfg(ENGLISH if self.grammar is None else Path(self.grammar))

    @cached_property
    def sentences(self) -> list[GoldSentence]:
        """The test sentences with their derivation trees."""
        return [_gold(tree) for tree in self._sample("test")]

    @cached_property
    def validation_sentences(self) -> list[GoldSentence]:
        """The validation sentences with their derivation trees."""
        return [_gold(tree) for tree in self._sample("val")]

    @property
    def templates(self) -> Path:
        """The file of templates of minimal pairs in the words of the grammar.

        Raises:
            UserError: the grammar is the user's own, for which there are no templates.
        """
        if self.grammar is not None:
            raise UserError(
                f"{self.grammar} has no minimal pairs; name a file of some in its words with --pairs or --templates"
            )
        return ENGLISH_TEMPLATES

    @cached_property
    def optimal_losses(self) -> dict[str, float]:
        """The lowest achievable loss, by part ("val", "test"): nats per word, with one `<eos>` per sentence.

        It is -log p of all sentences, each summed over its derivations, divided by the number of words predicted. No
        model has a lower expected loss; on one text of 1,000 sentences a model's loss may be lower by a small margin.
        """
        inside = Inside(self.pcfg)
        lines = {part: [leaves(tree) for tree in self._sample(part)] for part in ("val", "test")}
        return {
            part: float(-inside.log_probabilities(sentences).sum() / sum(len(words) + 1 for words in sentences))
            for part, sentences in lines.items()
        }

    def accepts(self, sentences: Iterable[Sequence[str]]) -> list[bool]:
        """Whether the grammar has a derivation of each sentence."""
        found: list[bool] = np.isfinite(Inside(self.pcfg).log_probabilities(sentences)).tolist()
        return found

    def predict_dataloader(self) -> SentenceGroups:
        """The words of the test sentences, in order."""
        rank, world_size = self._rank()
        return SentenceGroups([sentence.words for sentence in self.sentences], rank=rank, world_size=world_size)

    def _sample(self, part: str) -> Iterable[Node]:
        return islice(sample(self.pcfg, self._seeds[part]), self._sizes[part])


def _stream(lines: Iterable[Iterable[str]], vocabulary: Vocabulary) -> Tensor:
    """int64[N]: `<eos>`, then the words of each line and `<eos>`."""
    return torch.tensor(vocabulary.encode([EOS, *chain.from_iterable([*line, EOS] for line in lines)]))


def _gold(tree: Node) -> GoldSentence:
    """Convert a derivation to a gold sentence.

    A label is the part of a category before the first underscore. Categories with equal labels that cover the same
    words are one constituent.
    """
    gold = gold_sentence(tree, keep_all=True)
    assert gold is not None, "every sentence has words"
    labelled = ((label.partition("_")[0] or label, start, end) for label, start, end in gold.constituents)
    return replace(gold, constituents=tuple(dict.fromkeys(labelled)))
