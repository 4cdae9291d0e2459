"""Syntactic distances of sentences, each read by itself."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.nets import RecurrentNet

TOKENS_AT_ONCE = 4000  # enough to keep the processor busy, few enough to need little memory


@torch.no_grad()
def sentence_distances(
    embedding: nn.Embedding, net: RecurrentNet, vocabulary: Vocabulary, sentences: Sequence[Sequence[str]]
) -> list[Tensor]:
    """Syntactic distances of sentences, each read from a state of zeros with `<eos>` before it.

    As in the authors' `test_phrase_grammar.py`, which also reads an `<eos>` after the sentence; that changes none of
    the distances before it. Sentences of one length are read together, so no padding is needed.

    Args:
        embedding: of V words.
        net: the recurrent net.
        vocabulary: of V words.
        sentences: words, one or more each.

    Returns:
        For each sentence of n words float32 (L, n), on the CPU.

    Raises:
        UserError: a sentence is empty.
    """
    by_length = defaultdict(list)
    for number, sentence in enumerate(sentences):
        if not sentence:
            raise UserError(f"sentence {number + 1} is empty; a tree needs words")
        by_length[len(sentence)].append(number)
    found: list[Tensor] = [torch.empty(0)] * len(sentences)
    for length, numbers in by_length.items():
        at_once = max(1, TOKENS_AT_ONCE // (length + 1))
        for start in range(0, len(numbers), at_once):
            group = numbers[start : start + at_once]
            tokens = [vocabulary.encode([EOS, *sentences[number]]) for number in group]
            _, _, distances = net(embedding(torch.tensor(tokens, device=embedding.weight.device).t()))
            for column, number in enumerate(group):
                found[number] = distances[:, 1:, column].float().cpu()
    return found
