"""What a language model predicts of each word that it reads: surprisal, entropy, and the distances beside them."""

# T time, B batch, D features, V vocabulary, L layers, n words of a sentence.

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from math import log
from typing import NamedTuple

import torch
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.nets import RecurrentNet
from app.nets.decoder import Decoder, log_probability_parts

TOKENS_AT_ONCE = 4000  # their outputs and distances are in memory together
BIT = log(2)  # nats


class Reading(NamedTuple):
    """A sentence of n words, as a model reads it.

    Args:
        surprisal: float64 (n,), -log2 p of each word given those before it, in bits (Hale 2001; Levy 2008).
        entropy: float64 (n,), in bits, of the distribution of what follows each word, `<eos>` included.
        distances: float32 (L, n), syntactic distances, taken when the word is read.
    """

    surprisal: Tensor
    entropy: Tensor
    distances: Tensor


Advance = Callable[[int], None]


@torch.no_grad()
def read_alone(
    embedding: nn.Embedding,
    net: RecurrentNet,
    decoder: Decoder,
    vocabulary: Vocabulary,
    sentences: Sequence[Sequence[str]],
    advance: Advance = lambda done: None,
) -> list[Reading]:
    """Read each sentence by itself: from a state of zeros, with `<eos>` before its first word.

    Sentences of one length are read together, so no padding is needed.

    Args:
        embedding: of V words.
        net: the recurrent net.
        decoder: predicts V words from the net's output.
        vocabulary: of V words.
        sentences: words, one or more each; unknown words are read, and predicted, as `<unk>`.
        advance: called with the number of sentences done since the last call.

    Returns:
        One reading for each sentence, on the CPU.

    Raises:
        UserError: a sentence is empty, or holds an unknown word where the vocabulary has no `<unk>`.
    """
    device = embedding.weight.device
    found: dict[int, Reading] = {}
    for numbers in _of_one_length(sentences):
        rows = [vocabulary.encode([EOS, *sentences[number], EOS]) for number in numbers]
        tokens = torch.tensor(rows, device=device).t()
        output, _, distances = net(embedding(tokens[:-1]))
        surprisal, entropy = (
            values.view(output.shape[:2]) for values in _predicted(output.flatten(0, 1), decoder, tokens[1:].flatten())
        )
        for column, number in enumerate(numbers):
            found[number] = Reading(
                surprisal[:-1, column].clone(), entropy[1:, column].clone(), distances[:, 1:, column].float().cpu()
            )
        advance(len(numbers))
    return [found[number] for number in range(len(sentences))]


@torch.no_grad()
def read_on(
    embedding: nn.Embedding,
    net: RecurrentNet,
    decoder: Decoder,
    vocabulary: Vocabulary,
    sentences: Sequence[Sequence[str]],
    advance: Advance = lambda done: None,
) -> list[Reading]:
    """Read the sentences of one text in order, with `<eos>` before each and the state carried from one to the next.

    Arguments, result and errors are those of `read_alone`.
    """
    for _ in _of_one_length(sentences):
        pass  # refuses empty sentences
    ends = torch.tensor([len(sentence) + 1 for sentence in sentences]).cumsum(0)
    stream = vocabulary.encode([word for sentence in sentences for word in (EOS, *sentence)] + [EOS])
    tokens = torch.tensor(stream, device=embedding.weight.device).unsqueeze(1)
    state, done = net.initial_state(1), 0
    surprisals, entropies, distances = [], [], []
    for start in range(0, len(tokens) - 1, TOKENS_AT_ONCE):
        window = tokens[start : start + TOKENS_AT_ONCE + 1]
        output, state, of_window = net(embedding(window[:-1]), state)
        surprisal, entropy = _predicted(output[:, 0], decoder, window[1:, 0])
        surprisals.append(surprisal)
        entropies.append(entropy)
        distances.append(of_window[:, :, 0].float().cpu())
        before, done = done, int((ends <= start + len(output)).sum())
        advance(done - before)
    # At the token before a word that word's surprisal was found; at the word itself the entropy after it.
    surprisal, entropy, distance = torch.cat(surprisals), torch.cat(entropies), torch.cat(distances, dim=1)
    return [
        Reading(surprisal[begin : end - 1], entropy[begin + 1 : end], distance[:, begin + 1 : end])
        for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
    ]


@torch.no_grad()
def read_states(
    embedding: nn.Embedding,
    net: RecurrentNet,
    vocabulary: Vocabulary,
    sentences: Sequence[Sequence[str]],
    advance: Advance = lambda done: None,
) -> list[list[Tensor]]:
    """The hidden states of all layers, each sentence read by itself; arguments and errors as for `read_alone`.

    Returns:
        For each sentence and each layer, the lowest first, float32 (n, H), on the CPU: h after each word.
    """
    device = embedding.weight.device
    found: dict[int, list[Tensor]] = {}
    for numbers in _of_one_length(sentences):
        tokens = torch.tensor([vocabulary.encode([EOS, *sentences[number]]) for number in numbers], device=device)
        x, layers = embedding(tokens.t()), []
        for layer, h, c in zip(net.layers, *net.initial_state(len(numbers)), strict=True):
            x, _, _, _ = layer(x, h, c)
            layers.append(x[1:].float().cpu())
        for column, number in enumerate(numbers):
            found[number] = [outputs[:, column].clone() for outputs in layers]
        advance(len(numbers))
    return [found[number] for number in range(len(sentences))]


def _of_one_length(sentences: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    """The numbers of sentences of equal length, few enough to be read together."""
    by_length = defaultdict(list)
    for number, sentence in enumerate(sentences):
        if not sentence:
            raise UserError(f"sentence {number + 1} is empty; a surprisal needs words")
        by_length[len(sentence)].append(number)
    for length, numbers in by_length.items():
        at_once = max(1, TOKENS_AT_ONCE // (length + 1))
        for start in range(0, len(numbers), at_once):
            yield numbers[start : start + at_once]


def _predicted(hidden: Tensor, decoder: Decoder, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Surprisal of the target and entropy at each row, in bits: from (N, D) and int64 (N,) to float64 (N,) twice."""
    surprisals, entropies, row = [], [], 0
    for logs in log_probability_parts(decoder, hidden):
        words = targets[row : row + len(logs), None]
        surprisals.append(-logs.gather(1, words)[:, 0].double())
        entropies.append(torch.special.entr(logs.exp()).sum(1).double())
        row += len(logs)
    return torch.cat(surprisals).cpu() / BIT, torch.cat(entropies).cpu() / BIT
