"""Sentences drawn at random from a language model."""

# B sentences drawn together, V vocabulary.

from collections.abc import Callable
from itertools import takewhile

import torch
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.nets import RecurrentNet
from app.nets.decoder import Decoder, scores

SENTENCES_AT_ONCE = 200  # part of what a seed means: random numbers are drawn for this many together

LEAST_TEMPERATURE = 1e-6  # the likeliest word alone; far below, scores would not be finite


@torch.no_grad()
def sample_sentences(
    embedding: nn.Embedding,
    net: RecurrentNet,
    decoder: Decoder,
    vocabulary: Vocabulary,
    number: int,
    *,
    temperature: float = 1.0,
    longest: int = 100,
    generator: torch.Generator,
    advance: Callable[[int], object] = lambda done: None,
) -> list[list[str]]:
    """Draw sentences word by word, each from a state of zeros with `<eos>` before it and up to the next `<eos>`.

    A word is drawn with a probability proportional to p to the power of 1 / temperature.

    Args:
        embedding: of V words.
        net: the recurrent net.
        decoder: predicts V words from the net's output.
        vocabulary: of V words.
        number: of sentences.
        temperature: 1 for the model's own probabilities, less for likelier words.
        longest: words after which a sentence is cut off.
        generator: of the random numbers, on the CPU.
        advance: called with the number of sentences that have ended since the last call.

    Returns:
        The words of each sentence, without `<eos>`; one that was cut off has `longest` words.

    Raises:
        UserError: a number below 1, or a temperature below `LEAST_TEMPERATURE`.
    """
    for name, value in (("number", number), ("longest", longest)):
        if value < 1:
            raise UserError(f"--{name} is {value}; expected 1 or more")
    if not LEAST_TEMPERATURE <= temperature < float("inf"):
        raise UserError(f"--temperature is {temperature}; expected a number from {LEAST_TEMPERATURE} on, such as 0.8")
    (end,) = vocabulary.encode([EOS])
    sentences: list[list[str]] = []
    for begin in range(0, number, SENTENCES_AT_ONCE):
        size = min(SENTENCES_AT_ONCE, number - begin)
        tokens, state = torch.full((SENTENCES_AT_ONCE,), end), net.initial_state(SENTENCES_AT_ONCE)
        drawn: list[Tensor] = []
        going, ended = torch.ones(SENTENCES_AT_ONCE, dtype=torch.bool), 0
        while going.any() and len(drawn) < longest:
            output, state, _ = net(embedding(tokens.to(embedding.weight.device)).unsqueeze(0), state)
            scaled = scores(decoder, output[0]).float().cpu() / temperature
            tokens = torch.multinomial(scaled.softmax(1), 1, generator=generator)[:, 0]
            going &= tokens != end
            drawn.append(torch.where(going, tokens, end))
            before, ended = ended, int((~going[:size]).sum())
            advance(ended - before)
        advance(size - ended)
        rows = torch.stack(drawn, 1)[:size].tolist()
        sentences += [[vocabulary.words[token] for token in takewhile(lambda token: token != end, row)] for row in rows]
    return sentences
