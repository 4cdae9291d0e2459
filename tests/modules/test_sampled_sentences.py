"""Sentences drawn from a language model, against the probability of every sentence of two words at most."""

import math
from collections import Counter
from itertools import product

import pytest
import torch
from helpers.language import WORDS, language_model, on_lstm

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.modules import LanguageModel

NUMBER = 4000


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    made = language_model(on_lstm(weight_dropout=0.4))
    made.set_vocabulary(Vocabulary(WORDS), "the test")
    with torch.no_grad():
        made.embedding.weight.mul_(10)
    return made


def probabilities(model: LanguageModel, prefix: list[str], temperature: float) -> dict[str, float]:
    """p of each next word, from the log probabilities of whole sentences."""
    scores = model.log_probabilities([[*prefix, word] for word in WORDS])
    return dict(zip(WORDS, (scores / temperature).softmax(0).tolist(), strict=True))


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_sentences_are_as_frequent_as_they_are_probable(model: LanguageModel, temperature: float) -> None:
    first = probabilities(model, [], temperature)
    expected = {(): first[EOS]}
    words = [word for word in WORDS if word != EOS]
    second = {word: probabilities(model, [word], temperature) for word in words}
    expected |= {(word,): first[word] * second[word][EOS] for word in words}
    expected |= {pair: first[pair[0]] * second[pair[0]][pair[1]] for pair in product(words, words)}
    assert sum(expected.values()) == pytest.approx(1)
    found = Counter(map(tuple, model.sample(NUMBER, temperature=temperature, longest=2, seed=3)))
    assert set(found) <= set(expected)
    for sentence, p in expected.items():
        deviation = math.sqrt(NUMBER * p * (1 - p))
        assert abs(found[sentence] - NUMBER * p) < 4.5 * deviation + 1, sentence


def test_a_seed_means_the_same_sentences_however_many_are_asked_for(model: LanguageModel) -> None:
    few, many = model.sample(3, seed=1), model.sample(250, seed=1)
    assert few == many[:3]
    assert len(many) == 250
    assert few != model.sample(3, seed=2)
    assert EOS not in {word for sentence in many for word in sentence}


@pytest.mark.parametrize("longest", [1, 100])
def test_every_sentence_is_told_of_once_when_it_has_ended(model: LanguageModel, longest: int) -> None:
    told: list[int] = []
    sentences = model.sample(250, longest=longest, seed=1, advance=told.append)
    assert sum(told) == 250
    assert min(told) >= 0
    empty = sum(not words for words in sentences[:200])
    assert told[0] == empty, "those that end before their first word"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"number": 0}, "--number is 0; expected 1 or more"),
        ({"longest": 0}, "--longest is 0"),
        ({"temperature": 0.0}, "--temperature is 0.0; expected a number from 1e-06 on"),
        ({"temperature": 1e-50}, "--temperature is 1e-50"),
        ({"temperature": math.nan}, "--temperature is nan"),
    ],
)
def test_what_is_out_of_range_is_refused(model: LanguageModel, options: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        model.sample(**{"number": 1} | options)  # type: ignore[arg-type]
