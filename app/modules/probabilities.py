"""Log-probabilities of whole sentences, each read by itself."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.modules.prefixes import Step, steps
from app.nets import RecurrentNet, State
from app.nets.decoder import Decoder, log_probability_parts

SENTENCES_AT_ONCE = 2000  # their states are in memory together: about 250 MB for two layers of 650 units


@torch.no_grad()
def sentence_log_probabilities(
    embedding: nn.Embedding,
    net: RecurrentNet,
    decoder: Decoder,
    vocabulary: Vocabulary,
    sentences: Sequence[Sequence[str]],
    *,
    advance: Callable[[int], None] | None = None,
) -> Tensor:
    """log p of sentences, each read from a state of zeros with `<eos>` before it, and every word of it predicted.

    Nothing is computed twice: equal sentences are read once, and a prefix that several sentences share is read once,
    with one softmax after it. All prefixes of one length are read together, so no padding is needed.

    Args:
        embedding: of V words.
        net: the recurrent net.
        decoder: predicts V words from the net's output.
        vocabulary: of V words.
        sentences: words, one or more each; unknown words are read, and predicted, as `<unk>`.
        advance: called with the number of different sentences done since the last call.

    Returns:
        float64 (number of sentences,), in nats, on the CPU.

    Raises:
        UserError: a sentence is empty, or holds an unknown word where the vocabulary has no `<unk>`.
    """
    numbers = [tuple(vocabulary.encode(sentence)) for sentence in sentences]
    if () in numbers:
        raise UserError(f"sentence {numbers.index(()) + 1} is empty; a probability needs words")
    (start,) = vocabulary.encode([EOS])
    distinct = sorted(set(numbers))
    found: dict[tuple[int, ...], float] = {}
    for begin in range(0, len(distinct), SENTENCES_AT_ONCE):
        block = distinct[begin : begin + SENTENCES_AT_ONCE]
        sums, state = np.zeros(len(block)), net.initial_state(1)
        for step in steps(block, start=start):
            predicted, state = _take(embedding, net, decoder, step, state)
            sums[step.sentence] += predicted[step.prediction]
        found |= zip(block, sums.tolist(), strict=True)
        if advance is not None:
            advance(len(block))
    return torch.tensor([found[sentence] for sentence in numbers], dtype=torch.float64)


def _take(
    embedding: nn.Embedding, net: RecurrentNet, decoder: Decoder, step: Step, state: State
) -> tuple[np.ndarray, State]:
    """Read the last word of each prefix and predict the next: log p, float64 (M,), and the state after that word."""
    device = embedding.weight.device
    parent, word, context, target = (torch.from_numpy(part).to(device) for part in step[:4])
    h, c = ([layer[parent] for layer in part] for part in state)
    output, state, _ = net(embedding(word).unsqueeze(0), (h, c))
    predicted, row, done = [], 0, 0
    for logs in log_probability_parts(decoder, output[0]):
        row += len(logs)
        end = int(np.searchsorted(step.context, row))
        predicted.append(logs[context[done:end] - (row - len(logs)), target[done:end]])
        done = end
    return torch.cat(predicted).double().cpu().numpy(), state
