"""Probabilities of sentences, against reading one after the other in plain torch."""

import math

import pytest
import torch
from helpers.language import NETS, WORDS, language_model
from hypothesis import given, settings
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.modules import LanguageModel, probabilities
from app.modules.prefixes import steps

START = WORDS.index(EOS)
some_sentences = st.lists(st.lists(st.sampled_from([*WORDS[1:], "zebra", "N"]), min_size=1, max_size=7), max_size=14)


def knowing_model(which: str = "ON-LSTM", **options: object) -> LanguageModel:
    model = language_model(NETS[which](dropout=0.3, weight_dropout=0.4), **options)
    model.vocabulary = Vocabulary(WORDS)
    with torch.no_grad():
        model.decoder.weight.mul_(30.0)  # words should differ in what they expect after them
        model.decoder.bias.normal_()
    return model


@torch.no_grad()
def alone(model: LanguageModel, words: list[str]) -> float:
    """`<eos>` and the sentence, one word at a time, with a softmax written out in float64."""
    model.eval()
    total, state, before = 0.0, None, START
    for word in words:
        number = WORDS.index(word) if word in WORDS else 0
        output, state, _ = model.net(model.embedding(torch.tensor([[before]])), state)
        scores = [
            float(output[0, 0] @ row + bias) for row, bias in zip(model.decoder.weight, model.decoder.bias, strict=True)
        ]
        total += scores[number] - math.log(sum(math.exp(score) for score in scores))
        before = number
    return total


@settings(max_examples=30)
@given(some_sentences, st.sampled_from(list(NETS)), st.integers(1, 5))
def test_each_sentence_as_if_alone_and_in_order(words: list[list[str]], which: str, at_once: int) -> None:
    model = knowing_model(which)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probabilities, "SENTENCES_AT_ONCE", at_once)
        found = model.log_probabilities(words)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([alone(model, sentence) for sentence in words], rel=1e-9)


def test_in_single_precision_it_is_close_and_blocks_change_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = knowing_model(tied=False).float()
    draw = torch.Generator().manual_seed(3)
    rows = [torch.randint(2, len(WORDS), (1 + n % 9,), generator=draw).tolist() for n in range(300)]
    words = [[WORDS[number] for number in row] for row in rows]
    together = model.log_probabilities(words)
    monkeypatch.setattr(probabilities, "SENTENCES_AT_ONCE", 7)
    torch.testing.assert_close(model.log_probabilities(words), together, rtol=1e-5, atol=1e-5)
    model.double()
    torch.testing.assert_close(together, model.log_probabilities(words), rtol=1e-5, atol=1e-5)


def test_probabilities_of_all_continuations_sum_to_one() -> None:
    model = knowing_model()
    found = model.log_probabilities([["the", "cat", word] for word in WORDS])
    before = model.log_probabilities([["the", "cat"]])
    assert found.exp().sum() == pytest.approx(before.exp().item())


def test_unknown_words_are_read_and_predicted_as_unk() -> None:
    model = knowing_model()
    unknown, unk = model.log_probabilities([["the", "zebra", "sees"], ["the", "<unk>", "sees"]])
    assert unknown == unk


def test_nothing_is_read_twice() -> None:
    model, read = knowing_model(), []
    model.net.register_forward_pre_hook(lambda net, arguments: read.append(arguments[0].shape[1]))
    told: list[int] = []
    words = [["the", "cat", "sees"], ["the", "cat", "who"], ["the", "dog"], ["the", "cat", "sees"]]
    first, *_, last = model.log_probabilities(words, advance=told.append)
    # <eos>; the; the cat and the dog are not read further than there is something to predict: "dog" ends a sentence.
    assert read == [1, 1, 1]
    assert first == last
    assert sum(told) == 3


def test_it_trains_on_as_before() -> None:
    model = knowing_model().train()
    state = torch.get_rng_state()
    model.log_probabilities([["the", "cat"]])
    assert model.training
    assert torch.equal(torch.get_rng_state(), state), "dropout was on"


def test_what_cannot_be_scored() -> None:
    model = knowing_model()
    with pytest.raises(UserError, match="sentence 2 is empty"):
        model.log_probabilities([["cat"], []])
    assert model.log_probabilities([]).shape == (0,)
    model.vocabulary = None
    with pytest.raises(UserError, match="does not know its words"):
        model.log_probabilities([["cat"]])


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=30))
def test_steps_hold_every_beginning_once(sentences: list[list[int]]) -> None:
    block = sorted({tuple(sentence) for sentence in sentences})
    known: list[tuple[int, ...]] = [()]
    seen: dict[int, list[tuple[int, ...]]] = {number: [] for number in range(len(block))}
    for depth, step in enumerate(steps(block, start=9)):
        beginnings = [
            (*known[parent], word) if depth else () for parent, word in zip(step.parent, step.word, strict=True)
        ]
        assert depth or step.word.tolist() == [9]
        assert len(set(beginnings)) == len(beginnings)
        made = [(*beginnings[context], word) for context, word in zip(step.context, step.target, strict=True)]
        assert len(set(made)) == len(made)
        assert sorted(step.context) == step.context.tolist()
        assert set(made) == {sentence[: depth + 1] for sentence in block if len(sentence) > depth}
        for sentence, prediction in zip(step.sentence, step.prediction, strict=True):
            seen[sentence].append(made[prediction])
        known = beginnings
    for number, sentence in enumerate(block):
        assert seen[number] == [sentence[: length + 1] for length in range(len(sentence))]
