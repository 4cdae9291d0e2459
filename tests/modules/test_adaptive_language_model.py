"""A language model with an adaptive softmax: the same interface, against one word at a time in float64."""

from collections.abc import Sequence
from math import log
from pathlib import Path

import pytest
import torch
from helpers.language import NETS, WORDS, TinyText, language_model, trainer
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary
from app.modules import LanguageModel
from app.modules.word_order import warn_of_order
from app.nets import LSTM
from app.nets.adaptive_softmax import AdaptiveSoftmax
from datamodules import TextDataModule

CUTOFFS = [3]
SENTENCES = [["the", "cat", "sees", "a", "dog"], ["who"], ["a", "zebra", "sees", "the", "cat"], ["the", "dog"]]


def adaptive(*, tied: bool = True, which: str = "ON-LSTM", **options: object) -> LanguageModel:
    model = language_model(
        NETS[which](weight_dropout=0.4), tied=tied, softmax="adaptive", softmax_cutoffs=CUTOFFS, **options
    )
    with torch.no_grad():  # predictions that differ from word to word
        for parameter in (model.embedding.weight, *model.decoder.parameters()):
            parameter.normal_()
    return model


def knowing(**options: object) -> LanguageModel:
    model = adaptive(**options)  # type: ignore[arg-type]
    model.set_vocabulary(Vocabulary(WORDS), "the test")
    return model


@torch.no_grad()
def log_p(model: LanguageModel, hidden: Tensor) -> list[float]:
    """log p of every word from the weights alone: the head's, then the cluster's times the word's in the cluster."""
    state = {name: value for name, value in model.state_dict().items() if name.startswith("decoder.")}
    rows = state["decoder.head.weight"]
    if "decoder.head.clusters" in state:
        rows = torch.cat([model.embedding.weight[: CUTOFFS[0]], state["decoder.head.clusters"]])
    first = torch.log_softmax(rows @ hidden + state["decoder.head.bias"], 0)
    inside = state["decoder.tail.0.1.weight"] @ (state["decoder.tail.0.0.weight"] @ hidden)
    return [*first[: CUTOFFS[0]].tolist(), *(first[CUTOFFS[0]] + torch.log_softmax(inside, 0)).tolist()]


@torch.no_grad()
def word_by_word(model: LanguageModel, sentence: Sequence[str]) -> tuple[list[float], list[float]]:
    """Surprisal and entropy in bits."""
    model.eval()
    state, surprisals, entropies, logs = model.net.initial_state(1), [], [], []
    for token in Vocabulary(WORDS).encode([EOS, *sentence]):
        if logs:
            surprisals.append(-logs[token] / log(2))
        output, state, _ = model.net(model.embedding(torch.tensor([[token]])), state)
        logs = log_p(model, output[0, 0])
        entropies.append(-sum(2.718281828459045**value * value for value in logs) / log(2))
    return surprisals, entropies[1:]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("which", NETS)
def test_surprisal_entropy_and_probabilities_of_sentences(tied: bool, which: str) -> None:
    model = knowing(tied=tied, which=which)
    expected = [word_by_word(model, sentence) for sentence in SENTENCES]
    for reading, (surprisals, entropies) in zip(model.readings(SENTENCES), expected, strict=True):
        assert reading.surprisal.tolist() == pytest.approx(surprisals, rel=1e-9)
        assert reading.entropy.tolist() == pytest.approx(entropies, rel=1e-9)
    sums = [-sum(surprisals) * log(2) for surprisals, _ in expected]
    assert model.log_probabilities(SENTENCES).tolist() == pytest.approx(sums, rel=1e-9)


def test_the_logits_are_log_probabilities() -> None:
    model = knowing().eval()
    logits, _ = model(torch.tensor([[1, 1], [6, 4]]))
    assert logits.shape == (2, 2, len(WORDS))
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(2, 2, dtype=torch.float64))


def test_sentences_are_drawn_by_its_probabilities() -> None:
    """The first word of many sentences, by its share."""
    model = knowing()
    output, _, _ = model.net.eval()(model.embedding(torch.tensor([[WORDS.index(EOS)]])))
    expected = torch.tensor(log_p(model, output[0, 0])).exp()
    number = 4000
    drawn = [words[0] if words else EOS for words in model.sample(number, longest=1, seed=3)]
    shares = torch.tensor([drawn.count(word) / number for word in WORDS])
    deviation = (expected * (1 - expected) / number).sqrt()
    assert ((shares - expected).abs() <= 4 * deviation + 1e-9).all()


@pytest.mark.parametrize("tied", [True, False])
def test_its_perplexity_is_that_of_the_text(tied: bool, tmp_path: Path) -> None:
    """And a checkpoint holds all of it."""
    model = language_model(tied=tied, softmax="adaptive", softmax_cutoffs=CUTOFFS)
    run = trainer(max_epochs=1)
    run.fit(model, TinyText())
    path = tmp_path / "1.ckpt"
    run.save_checkpoint(path)
    [found] = trainer().validate(model, TinyText(), verbose=False)
    data = TinyText()
    data.prepare()
    model.eval()
    nats, count, state = 0.0, 0, None
    with torch.no_grad():
        for window in data.val_dataloader():
            output, state, _ = model.net(model.embedding(window.inputs), state)
            for hidden, target in zip(output.flatten(0, 1), window.targets.flatten().tolist(), strict=True):
                nats -= log_p(model, hidden)[target]
                count += 1
    assert found["val_loss_exact"] == pytest.approx(nats / count, rel=1e-9)
    back = language_model(seed=5, tied=tied, softmax="adaptive", softmax_cutoffs=CUTOFFS)
    back.load_state_dict(model.state_dict())
    assert trainer().validate(back, TinyText(), verbose=False) == [found]
    for other in (
        language_model(tied=not tied, softmax="adaptive", softmax_cutoffs=CUTOFFS),
        language_model(tied=tied),
    ):
        with pytest.raises(UserError) as caught:
            trainer().validate(other, TinyText(), ckpt_path=path, weights_only=True)
        assert "\n" not in str(caught.value)


def test_what_is_pruned_of_it() -> None:
    tails = {"decoder.tail.0.0.weight": "output", "decoder.tail.0.1.weight": "output"}
    for tied, head in ((True, "clusters"), (False, "weight")):
        model = adaptive(tied=tied, prunable=["output"])
        assert model.prunable_parameters() == {f"decoder.head.{head}": "output"} | tails
    assert adaptive(prunable=["embedding"]).prunable_parameters() == {"embedding.weight": "embedding"}
    assert adaptive().kernels("cpu") == {"softmax": "PyTorch, adaptive"}


def test_initialisation_of_all_its_weights() -> None:
    torch.manual_seed(0)
    model = LanguageModel(LSTM(64, [64]), 100, softmax="adaptive")
    assert isinstance(model.decoder, AdaptiveSoftmax)
    before = {name: parameter.clone() for name, parameter in model.decoder.named_parameters()}
    model.reset_parameters()
    for name, parameter in model.decoder.named_parameters():
        if name == "head.bias":
            assert not parameter.any()
            continue
        # The authors' for what is predicted at once, and torch's for the clusters, by the number of features.
        bound = parameter.shape[1] ** -0.5 if name.startswith("tail.") else 0.1
        assert not parameter.equal(before[name])
        assert parameter.abs().max() <= bound
        assert parameter.numel() < 50 or parameter.std().item() == pytest.approx(bound / 3**0.5, rel=0.3)


@pytest.mark.parametrize(
    ("counts", "warned"),
    [([0, 9, 50, 30, 5, 4, 1, 1], False), ([0, 9, 1, 1, 4, 5, 30, 50], True), ([0, 50, 0, 9, 5, 4, 2, 1], False)],
)
def test_a_vocabulary_that_is_not_sorted_is_told(
    counts: list[int], warned: bool, recwarn: pytest.WarningsRecorder
) -> None:
    decoder = AdaptiveSoftmax(16, 8, [4])
    warn_of_order(nn.Linear(16, 8), torch.tensor(counts))
    warn_of_order(decoder, None)
    assert not recwarn.list
    warn_of_order(decoder, torch.tensor(counts))
    told = [str(warning.message) for warning in recwarn.list]
    assert len(told) == warned
    if warned:
        assert "its first 4 words are 11% of the training text, the most frequent 2 are 80%" in told[0]
    recwarn.clear()


def test_data_says_how_often_words_occur() -> None:
    data: TextDataModule = TinyText()
    data.prepare()
    stream = data.corpus.streams["train"].tolist()
    assert data.word_counts.tolist() == [stream.count(number) for number in range(len(WORDS))]
