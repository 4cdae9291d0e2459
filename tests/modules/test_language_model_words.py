"""Making a language model, the contents of its checkpoints, and its errors."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import (
    NET_DROPOUTS,
    NETS,
    WORDS,
    PlainModel,
    TinyText,
    language_model,
    lstm,
    net_for,
    on_lstm,
    trainer,
)
from helpers.tiny import Probe, same, weights

from app.common.errors import UserError
from app.common.spelling import Spelling
from app.common.vocabulary import Vocabulary
from app.modules import LanguageModel
from app.runs.checkpoints import load_weights

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

by_net = pytest.mark.parametrize("net", NETS.values(), ids=NETS)


@by_net
def test_tied_weights_are_one(net: Any) -> None:
    tied, untied = LanguageModel(net(), 8), LanguageModel(net(), 8, tied=False)
    assert tied.decoder.weight is tied.embedding.weight
    assert untied.decoder.weight is not untied.embedding.weight
    of_net = sum(p.numel() for p in net().parameters())
    assert sum(p.numel() for p in tied.parameters()) == of_net + 8 * 4 + 8
    assert sum(p.numel() for p in untied.parameters()) == of_net + 2 * 8 * 4 + 8
    assert tied.state_dict().keys() == untied.state_dict().keys()
    trainer(max_steps=2).fit(model := language_model(net()), TinyText())
    assert model.decoder.weight is model.embedding.weight


@pytest.mark.parametrize("tied", [True, False])
def test_drawn_as_the_authors_draw(tied: bool) -> None:
    torch.manual_seed(0)
    model = LanguageModel(on_lstm(), 5000, tied=tied)
    for weight in {model.embedding.weight, model.decoder.weight}:
        assert 0.0995 < weight.abs().max() <= 0.1
        assert weight.mean().abs() < 0.002
        assert weight.std().item() == pytest.approx(0.2 / math.sqrt(12), rel=0.02)
    assert not model.decoder.bias.any()


@by_net
def test_reset_draws_everything_afresh(net: Any) -> None:
    model, states = LanguageModel(net(), 8, tied=False), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model.reset_parameters()
        states.append(weights(model))
    assert same(states[0], states[1])
    unchanged = {name for name in states[1] if states[1][name].equal(states[2][name])}
    assert unchanged == {"decoder.bias"}


def test_scores_and_state_of_a_forward() -> None:
    model = language_model(lstm(**NET_DROPOUTS)).eval()
    tokens = torch.randint(8, (6, 3), generator=torch.Generator().manual_seed(0))
    logits, state = model(tokens)
    first, between = model(tokens[:2])
    second, later = model(tokens[2:], between)
    assert logits.shape == (6, 3, 8)
    torch.testing.assert_close(torch.cat([first, second]), logits, rtol=0, atol=1e-14)
    torch.testing.assert_close(later, state, rtol=0, atol=1e-14)
    output, _, _ = PlainModel(model, training=False).read(tokens, None)
    right = output @ model.embedding.weight.T + model.decoder.bias
    torch.testing.assert_close(logits, right, rtol=0, atol=1e-14)


@pytest.mark.parametrize("place", ["embedding", "input", "output"])
@pytest.mark.parametrize("p", [-0.5, 1.0, float("nan")])
def test_a_dropout_that_is_no_probability(place: str, p: float) -> None:
    with pytest.raises(UserError, match=rf"^dropout_{place} is {p}; [^\n]+$"):
        LanguageModel(lstm(), 8, **{f"dropout_{place}": p})


@pytest.mark.parametrize("size", [0, -1])
def test_a_model_of_no_words(size: int) -> None:
    with pytest.raises(UserError, match=rf"^vocabulary_size is {size}; [^\n]+$"):
        LanguageModel(lstm(), size)


def test_sizes_that_cannot_be_tied() -> None:
    with pytest.raises(UserError, match=r"^the net reads 3 features and puts out 5; [^\n]+tied[^\n]+$"):
        LanguageModel(net_for(3, 5), 8)
    LanguageModel(net_for(3, 5), 8, tied=False)


def saved(model: LanguageModel, path: Path, data: TinyText | None = None) -> Path:
    run = trainer(max_steps=2)
    run.fit(model, data or TinyText())
    run.save_checkpoint(path)
    return path


def test_the_words_are_in_the_checkpoint(tmp_path: Path) -> None:
    path = saved(language_model(), tmp_path / "2.ckpt")
    data = TinyText()
    data.prepare()
    assert torch.load(path, weights_only=True)["vocabulary"] == {
        "words": WORDS,
        "sha256": data.vocabulary.sha256,
        "spelling": {"lower_case": True, "numbers": False, "contractions": False, "joined": False},
    }


def test_the_spelling_of_the_checkpoint_is_kept_and_an_old_one_follows_from_its_words(tmp_path: Path) -> None:
    path = saved(language_model(), tmp_path / "2.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    cased = Spelling(lower_case=False, numbers=False, contractions=False)
    for spelling, expected in ((cased.as_dict(), cased), (None, Spelling.of(WORDS))):
        entry = {name: value for name, value in checkpoint["vocabulary"].items() if name != "spelling"}
        entry |= {"spelling": spelling} if spelling else {}
        torch.save(checkpoint | {"vocabulary": entry}, path)
        load_weights(model := language_model(), path)
        model.set_vocabulary(Vocabulary(WORDS), "the data")
        assert model.vocabulary is not None
        assert model.vocabulary.spelling == expected
    model = language_model(seed=1)
    assert model.vocabulary is None
    load_weights(model, path)
    assert model.vocabulary is not None
    assert model.vocabulary.words == WORDS


OTHER = [*WORDS[:-1], "whom"]
one_line = r"[^\n]*"


def test_a_checkpoint_holds_the_state_and_not_what_led_to_it(tmp_path: Path) -> None:
    state = torch.load(saved(language_model(), tmp_path / "2.ckpt"), weights_only=True)["state"]
    for part, size in zip([*state[0], *state[1]], (6, 4, 6, 4), strict=True):
        assert part.shape == (2, size)
        assert part.untyped_storage().nbytes() == 2 * size * 8


def test_a_checkpoint_made_within_a_validation_holds_the_state_of_the_training(tmp_path: Path) -> None:
    def save(name: str) -> Any:
        return lambda run, module: run.save_checkpoint(tmp_path / name)

    probe = Probe(
        on_train_batch_end=save("before"), on_validation_batch_end=save("within"), on_validation_end=save("after")
    )
    trainer([probe], max_steps=2, val_check_interval=2).fit(language_model(), TinyText())
    before, *others = (torch.load(tmp_path / name, weights_only=True) for name in ("before", "within", "after"))
    for other in others:
        for part, right in zip(other["state"], before["state"], strict=True):
            assert all(one.equal(two) for one, two in zip(part, right, strict=True))


def test_data_with_another_number_of_words() -> None:
    for evaluate in (trainer(max_steps=1).fit, trainer().validate, trainer().test):
        with pytest.raises(
            UserError, match=rf"^the data has 9 words and the model 8; {one_line}vocabulary_size to 9, or to auto$"
        ):
            evaluate(language_model(), TinyText([*WORDS, "one"]))


def test_data_with_other_words_than_the_checkpoint(tmp_path: Path) -> None:
    path = saved(language_model(), tmp_path / "2.ckpt")
    for evaluate in (trainer(max_steps=3).fit, trainer().validate, trainer().test):
        with pytest.raises(UserError, match=rf"^the vocabulary of the data is not the one this model knows{one_line}$"):
            evaluate(language_model(), TinyText(OTHER), ckpt_path=path)


def test_data_with_other_words_than_the_model() -> None:
    model = language_model()
    trainer(max_steps=1).fit(model, TinyText())
    with pytest.raises(UserError, match=rf"^the vocabulary of the data is not the one this model knows{one_line}$"):
        trainer().test(model, TinyText(OTHER))


def test_the_words_in_another_order_are_other_words(tmp_path: Path) -> None:
    path = saved(language_model(), tmp_path / "2.ckpt")
    with pytest.raises(UserError, match="vocabulary"):
        trainer().test(language_model(), TinyText(WORDS[::-1]), ckpt_path=path)


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (lambda: LanguageModel(on_lstm(), 9), "decoder.bias"),
        (lambda: LanguageModel(lstm(), 8), "net.layers.0.bias_hh"),
        (lambda: LanguageModel(net_for(4, 4), 8), "net.layers.0.bias_hh"),
    ],
)
def test_a_checkpoint_of_another_model(tmp_path: Path, other: Any, name: str) -> None:
    path = saved(language_model(), tmp_path / "2.ckpt")
    message = rf"2\.ckpt: the checkpoint is of another model: {name} is \(\d+,\) there and \(\d+,\) here; {one_line}$"
    with pytest.raises(UserError, match=message):
        load_weights(other(), path)


def test_a_checkpoint_with_more_layers(tmp_path: Path) -> None:
    path = saved(language_model(type(on_lstm())(4, [6, 4, 4], 2)), tmp_path / "2.ckpt")
    with pytest.raises(
        UserError, match=rf"2\.ckpt: the checkpoint is of another model: net\.layers\.2{one_line} none here; "
    ):
        load_weights(LanguageModel(on_lstm(), 8), path)


def test_trained_on_bare_windows_it_knows_no_words() -> None:
    model, data = language_model(), TinyText()
    data.prepare()
    trainer(max_epochs=1).fit(model, data.train_dataloader(), data.val_dataloader())
    with pytest.raises(UserError, match=rf"^this model does not know its words yet; {one_line}$"):
        model.distances([["the"]])
