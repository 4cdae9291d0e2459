"""Surprisal, entropy and hidden states of a language model, against one word at a time in plain torch."""

from collections.abc import Sequence
from math import log

import pytest
import torch
from helpers.language import NETS, WORDS, language_model
from torch import Tensor

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.modules import LanguageModel, readings

SENTENCES = [["the", "cat", "sees", "a", "dog"], ["who"], ["a", "zebra", "sees", "the", "cat"], ["the", "dog"]]


@pytest.fixture(params=NETS)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    made = language_model(NETS[request.param](weight_dropout=0.4))
    made.set_vocabulary(Vocabulary(WORDS), "the test")
    with torch.no_grad():  # predictions that differ from word to word
        made.embedding.weight.mul_(20)
    return made


def word_by_word(
    model: LanguageModel, sentences: Sequence[Sequence[str]], *, carried: bool
) -> list[tuple[list[float], list[float], list[Tensor], list[list[Tensor]]]]:
    """Surprisal, entropy, distances and states of each word, from one call of the model's parts for every word."""
    vocabulary = Vocabulary(WORDS)
    model.eval()
    found, state = [], model.net.initial_state(1)
    for sentence in sentences:
        if not carried:
            state = model.net.initial_state(1)
        surprisals, entropies, distances, states = [], [], [], []
        for number, token in enumerate(vocabulary.encode([EOS, *sentence])):
            if number:
                surprisals.append(-float(logs[token]) / log(2))  # noqa: F821 - of the word before
            output, state, distance = model.net(model.embedding(torch.tensor([[token]])), state)
            logs = torch.log_softmax(model.decoder(output[0, 0]), 0)
            if number:
                entropies.append(-float((logs.exp() * logs).sum()) / log(2))
                distances.append(distance[:, 0, 0])
                states.append([h[0] for h in state[0]])
        found.append((surprisals, entropies, distances, states))
    return found


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("at_once", [7, 4000])
@torch.no_grad()
def test_readings_equal_those_of_one_word_at_a_time(
    model: LanguageModel, carried: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "TOKENS_AT_ONCE", at_once)
    done: list[int] = []
    found = model.readings(SENTENCES, carried=carried, advance=done.append)
    assert sum(done) == len(SENTENCES)
    expected = word_by_word(model, SENTENCES, carried=carried)
    for reading, (surprisals, entropies, distances, _) in zip(found, expected, strict=True):
        assert reading.surprisal.tolist() == pytest.approx(surprisals, abs=1e-9)
        assert reading.entropy.tolist() == pytest.approx(entropies, abs=1e-9)
        torch.testing.assert_close(reading.distances, torch.stack(distances, 1).float(), atol=1e-6, rtol=0)


@torch.no_grad()
def test_a_carried_state_matters_and_dropout_does_not(model: LanguageModel) -> None:
    model.train()
    alone, carried = model.readings(SENTENCES), model.readings(SENTENCES, carried=True)
    assert model.training
    assert alone[0].surprisal.tolist() == pytest.approx(carried[0].surprisal.tolist())
    assert alone[1].surprisal.tolist() != pytest.approx(carried[1].surprisal.tolist(), abs=1e-6)
    (again,) = model.readings(SENTENCES[3:])
    assert again.surprisal.tolist() == pytest.approx(alone[3].surprisal.tolist())


@torch.no_grad()
def test_surprisal_adds_up_to_the_probability_of_the_sentence(model: LanguageModel) -> None:
    bits = [float(reading.surprisal.sum()) for reading in model.readings(SENTENCES)]
    nats = model.log_probabilities(SENTENCES)
    assert bits == pytest.approx((-nats / log(2)).tolist())


@torch.no_grad()
def test_hidden_states_equal_those_of_one_word_at_a_time(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "TOKENS_AT_ONCE", 7)
    expected = word_by_word(model, SENTENCES, carried=False)
    for layers, (_, _, _, states) in zip(model.hidden_states(SENTENCES), expected, strict=True):
        for number, layer in enumerate(layers):
            torch.testing.assert_close(layer, torch.stack([word[number] for word in states]).float())


def test_an_empty_sentence_and_a_model_without_words_are_refused(model: LanguageModel) -> None:
    with pytest.raises(UserError, match="sentence 2 is empty"):
        model.readings([["the"], []])
    with pytest.raises(UserError, match="sentence 1 is empty"):
        model.readings([[]], carried=True)
    model.vocabulary = None
    with pytest.raises(UserError, match="does not know its words"):
        model.hidden_states([["the"]])
