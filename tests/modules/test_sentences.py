"""Distances of sentences, against reading each one alone as the authors do."""

from typing import Any

import pytest
import torch
from helpers.language import NETS, WORDS, TinyText, TinyTrees, language_model, trainer
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.modules import LanguageModel, sentences
from datamodules.wsj import SentenceGroups

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

some_sentences = st.lists(st.lists(st.sampled_from([*WORDS[2:], "zebra", "N"]), min_size=1, max_size=9), max_size=12)


def knowing_model(which: str = "ON-LSTM") -> LanguageModel:
    model = language_model(NETS[which](dropout=0.3, weight_dropout=0.4))
    model.vocabulary = Vocabulary(WORDS)
    return model


def alone(model: LanguageModel, words: list[str]) -> Tensor:
    """Read `<eos>`, the sentence, `<eos>` from a state of zeros; returns the distances without the two ends."""
    model.eval()
    numbers = [WORDS.index(word) if word in WORDS else 0 for word in [EOS, *words, EOS]]
    _, _, distances = model.net(model.embedding(torch.tensor(numbers).view(-1, 1)))
    return distances[:, 1:-1, 0]


@settings(max_examples=25)
@given(some_sentences, st.sampled_from(list(NETS)))
def test_each_sentence_as_if_alone_and_in_order(words: list[list[str]], which: str) -> None:
    model = knowing_model(which)
    found = model.distances(words)
    assert len(found) == len(words)
    for distances, sentence in zip(found, words, strict=True):
        assert distances.shape == (2, len(sentence))
        assert distances.dtype == torch.float32
        torch.testing.assert_close(distances, alone(model, sentence).float(), rtol=0, atol=1e-7)
        assert not distances.requires_grad


def test_more_sentences_than_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, words = knowing_model(), [[WORDS[2 + n % 6], WORDS[2 + n % 5]][: 1 + n % 3] for n in range(40)]
    right, sizes = model.distances(words), []
    monkeypatch.setattr(sentences, "TOKENS_AT_ONCE", 7)
    hook = model.net.register_forward_pre_hook(lambda net, arguments: sizes.append(arguments[0].shape[:2]))
    found = model.distances(words)
    hook.remove()
    assert all(length * batch <= 7 for length, batch in sizes)
    assert len(sizes) > 10
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-7)


def test_a_sentence_longer_than_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "TOKENS_AT_ONCE", 3)
    model, words = knowing_model(), ["the", "cat", "sees", "a", "dog"]
    for found in model.distances([words, words]):
        torch.testing.assert_close(found, alone(model, words).float(), rtol=0, atol=1e-7)


def test_unknown_words_are_read_as_unk() -> None:
    model = knowing_model()
    found, right = model.distances([["the", "zebra", "sees"], ["the", "<unk>", "sees"]])
    assert found.equal(right)


@pytest.mark.parametrize("training", [True, False])
def test_dropouts_are_off_and_the_mode_is_as_before(training: bool) -> None:
    model, words = knowing_model(), [["the", "cat"], ["who", "sees", "a", "dog"]]
    right = [alone(model, sentence).float() for sentence in words]
    model.train(training)
    before = torch.get_rng_state()
    found = model.distances(words)
    assert torch.get_rng_state().equal(before)
    assert all(module.training is training for module in model.modules())
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-7)


def test_the_mode_comes_back_after_an_error() -> None:
    model = knowing_model()
    with pytest.raises(UserError, match=r"^sentence 2 is empty; [^\n]+$"):
        model.distances([["the"], []])
    assert model.training


def test_no_sentences() -> None:
    assert knowing_model().distances([]) == []


def test_a_vocabulary_without_unk() -> None:
    model = language_model()
    model.vocabulary = Vocabulary([EOS, "the", "cat", "a", "b", "c", "d", "e"])
    assert len(model.distances([["the", "cat"]])) == 1
    with pytest.raises(UserError, match=r"^zebra: [^\n]+$"):
        model.distances([["the", "zebra"]])


def test_who_knows_no_words_reads_no_sentences() -> None:
    with pytest.raises(UserError, match=r"^this model does not know its words yet; [^\n]+$"):
        language_model().distances([["the"]])


def test_how_many_layers() -> None:
    assert knowing_model().distance_layers == 2


def test_predicting_gives_distances() -> None:
    class Sentences(TinyTrees):
        def predict_dataloader(self) -> Any:
            return SentenceGroups([sentence.words for sentence in self.sentences])

    model, data = language_model(), Sentences()
    (found,) = trainer().predict(model, data)
    right = model.distances([sentence.words for sentence in data.sentences])
    assert all(one.equal(other) for one, other in zip(found, right, strict=True))


def test_reading_sentences_leaves_the_state_of_a_training_alone() -> None:
    model, data = knowing_model(), TinyText()
    data.prepare()
    (window, *_) = data.train_dataloader()
    model.training_step(window, 0)
    before = [part.clone() for parts in model._state for part in parts]
    model.distances([["the", "cat"]])
    assert all(x.equal(y) for x, y in zip(before, [*model._state[0], *model._state[1]], strict=True))
