"""Converting a file of the ON-LSTM authors' code: every weight is in its place, every mistake is one line."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.authors import CODE, read_word_by_word, save_like_the_authors
from helpers.configs import composed
from helpers.hostile import hostile_objects
from lightning.pytorch import Trainer
from torch import nn

from app import __main__
from app.authors.command import CONFIG, CONFIGURED, main
from app.authors.model import AuthorsModel
from app.common.errors import UserError
from app.common.vocabulary import EOS, UNK
from app.modules import LanguageModel
from app.nets import ONLSTM
from datamodules import PTB

REPOSITORY = Path(__file__).resolve().parents[2]
# Words first met in an order that is neither that of frequency nor that of the alphabet.
TEXTS = {
    "train": "the <unk> sat on the mat\nthe dog the cat a dog\na cat sat\n" * 4,
    "valid": "a dog sat on the mat\n" * 8,
    "test": "the cat sat on a dog\n" * 3,
}
THEIR_WORDS = ["the", UNK, "sat", "on", "mat", EOS, "dog", "cat", "a"]
SIZES = {"features": 6, "units": 8, "chunk_size": 2, "layers": 3}

both_formats = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with three small texts."""
    for part, text in TEXTS.items():
        (tmp_path / f"{part}.txt").write_text(text)
    return tmp_path


def save(data: Path, **options: Any) -> dict[str, torch.Tensor]:
    return save_like_the_authors(data / "theirs.pt", data, **{"words": len(THEIR_WORDS)} | SIZES | options)


def import_it(data: Path) -> dict[str, Any]:
    main([str(data / "theirs.pt"), "--data", str(data)])
    return torch.load(data / "theirs.ckpt", weights_only=True)


def refused(data: Path, *arguments: str) -> str:
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        main([str(data / "theirs.pt"), "--data", str(data), *arguments])
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def language_model(*, tied: bool = True, weight_dropout: float = 0.45) -> LanguageModel:
    net = ONLSTM(6, [8, 8, 6], chunk_size=2, dropout=0.3, weight_dropout=weight_dropout)
    return LanguageModel(net, len(THEIR_WORDS), tied=tied, dropout_output=0.45)


def own_texts(data: Path) -> PTB:
    paths = {part: str(data / f"{part}.txt") for part in TEXTS}
    return PTB(**paths, batch_size=2, val_batch_size=2, test_batch_size=1, bptt=5)


@both_formats
@pytest.mark.parametrize("tied", [True, False])
def test_every_weight_is_in_its_place(zipped, tied, data):
    theirs = save(data, zipped=zipped, tied=tied)
    checkpoint = import_it(data)
    ours, words = checkpoint["state_dict"], checkpoint["vocabulary"]["words"]
    assert set(ours) == set(language_model(tied=tied).state_dict())
    assert sorted(words) == sorted(THEIR_WORDS) != words
    for row, word in enumerate(words):
        number = THEIR_WORDS.index(word)
        for our_name, name in (
            ("embedding.weight", "encoder.weight"),
            *[(f"decoder.{x}",) * 2 for x in ("weight", "bias")],
        ):
            assert torch.equal(ours[our_name][row], theirs[name][number])
    for layer in range(3):
        for our_part, part in (("ih", "ih.0"), ("hh", "hh")):
            for kind in ("weight", "bias"):
                name = f"rnn.cells.{layer}.{part}.{kind}"
                assert torch.equal(ours[f"net.layers.{layer}.{kind}_{our_part}"], theirs[name]), name
    shared = ours["embedding.weight"].data_ptr() == ours["decoder.weight"].data_ptr()
    assert shared == tied


def test_the_words_are_numbered_as_the_data_module_numbers_them(data):
    save(data)
    prepared = own_texts(data)
    prepared.prepare()
    vocabulary = import_it(data)["vocabulary"]
    assert vocabulary["words"] == prepared.vocabulary.words
    assert vocabulary["sha256"] == prepared.vocabulary.sha256


@both_formats
@pytest.mark.parametrize("wdrop", [0.45, 0.0])
def test_scores_and_distances_are_theirs(zipped, wdrop, data):
    theirs = save(data, zipped=zipped, wdrop=wdrop)
    checkpoint = import_it(data)
    model = language_model(weight_dropout=wdrop).double().eval()
    model.load_state_dict(checkpoint["state_dict"])
    sentence = ["the", "dog", "sat", "on", "a", "mat"]
    words, read = checkpoint["vocabulary"]["words"], [EOS, *sentence]
    scores, distances = read_word_by_word(theirs, [THEIR_WORDS.index(word) for word in read], chunk_size=2, wdrop=wdrop)
    with torch.no_grad():
        logits, _ = model(torch.tensor([words.index(word) for word in read]).unsqueeze(1))
    by_our_numbers = torch.tensor(scores, dtype=torch.float64)[:, [THEIR_WORDS.index(word) for word in words]]
    torch.testing.assert_close(logits.squeeze(1), by_our_numbers, atol=1e-12, rtol=0)
    model.on_load_checkpoint(checkpoint)
    (found,) = model.distances([sentence])
    torch.testing.assert_close(found, torch.tensor(distances[1:]).t(), atol=1e-6, rtol=0)


def test_a_trainer_tests_it_on_our_data(data):
    theirs = save(data)
    import_it(data)
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, barebones=False
    )
    model = language_model()
    (measured,) = trainer.test(model, own_texts(data), ckpt_path=data / "theirs.ckpt", verbose=False)
    stream = [word for line in TEXTS["test"].splitlines() for word in [*line.split(), EOS]]
    numbers = [THEIR_WORDS.index(word) for word in stream]
    scores, _ = read_word_by_word(theirs, numbers[:-1], chunk_size=2, wdrop=0.45)
    loss = nn.functional.cross_entropy(torch.tensor(scores), torch.tensor(numbers[1:]))
    assert measured["test_loss_exact"] == pytest.approx(loss.item(), rel=1e-6)
    assert model.vocabulary is not None


def test_lightning_makes_our_module_from_it(data):
    save(data)
    checkpoint = import_it(data)
    net = ONLSTM(6, [8, 8, 6], chunk_size=2)
    model = LanguageModel.load_from_checkpoint(
        data / "theirs.ckpt", map_location="cpu", weights_only=True, net=net, vocabulary_size=len(THEIR_WORDS)
    )
    assert all(torch.equal(value, checkpoint["state_dict"][name]) for name, value in model.state_dict().items())


def test_the_weights_are_taken_as_they_are_and_not_the_optimisers_averages(data):
    def shift(saved):
        for state in saved[2].state.values():
            state["ax"].fill_(1e6)
        return saved

    theirs = save(data, change=shift)
    assert torch.equal(import_it(data)["state_dict"]["net.layers.0.weight_hh"], theirs["rnn.cells.0.hh.weight"])


def test_what_was_found_is_told_with_the_next_command(data, capsys):
    save(data)
    import_it(data)
    found, words, written, following = capsys.readouterr().out.splitlines()
    assert found == (
        "found: an ON-LSTM of 1,903 parameters: 9 words, embedding 6, layers 8, 8, 6, chunk size 2, "
        "weight dropout 0.45, softmax tied to the embedding"
    )
    assert words.startswith(f"words: a text of its own in {data}; ")
    assert written == f"written: {data / 'theirs.ckpt'}"
    command = following.removeprefix("next: ")
    for part in (
        f"python -m app test --config {CONFIG} --ckpt_path {data / 'theirs.ckpt'}",
        "--model.init_args.vocabulary_size 9",
        "--model.init_args.net.init_args.layer_sizes '[8,8,6]'",
        f"--data.init_args.valid {data / 'valid.txt'}",
    ):
        assert part in command
    assert "tied" not in command
    assert "weight_dropout" not in command


def test_the_next_command_runs_as_it_is_told(data, capsys, monkeypatch):
    theirs = save(data, tied=False, wdrop=0.2)
    import_it(data)
    *_, following = capsys.readouterr().out.splitlines()
    command = shlex.split(following.removeprefix("next: "))
    assert command[:3] == ["python", "-m", "app"]
    # The configuration's callbacks are for training, and one of them wants a treebank.
    arguments = [*command[3:], "--trainer.callbacks=null"]
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr("sys.argv", ["app", *arguments])
    monkeypatch.setattr("warnings.showwarning", None)
    assert __main__.main(arguments) == 0
    numbers = [THEIR_WORDS.index(word) for line in TEXTS["test"].splitlines() for word in [*line.split(), EOS]]
    scores, _ = read_word_by_word(theirs, numbers[:-1], chunk_size=2, wdrop=0.2)
    loss = nn.functional.cross_entropy(torch.tensor(scores), torch.tensor(numbers[1:]))
    measured = re.search(r"test_loss_exact\W+([\d.]+)", capsys.readouterr().out)
    assert measured is not None
    assert float(measured[1]) == pytest.approx(loss.item(), rel=1e-6)


def test_the_same_again_is_no_mistake_and_another_file_is_kept(data, capsys):
    save(data)
    import_it(data)
    first = (data / "theirs.ckpt").read_bytes()
    import_it(data)
    assert f"there already: {data / 'theirs.ckpt'}" in capsys.readouterr().out
    save(data, seed=1)
    assert f"{data / 'theirs.ckpt'}: is there already and has other contents" in refused(data)
    assert (data / "theirs.ckpt").read_bytes() == first
    assert "is there already" in refused(data, "--output", str(data / "theirs.pt"))
    main([str(data / "theirs.pt"), "--data", str(data), "--output", str(data / "new" / "ours.ckpt")])
    assert (data / "new" / "ours.ckpt").exists()


def test_the_papers_configuration_has_the_papers_parameters():
    assert CONFIGURED["net.init_args.weight_dropout"] == 0.45
    with torch.device("meta"):
        state = LanguageModel(ONLSTM(400, [1150, 1150, 400]), 10_000).state_dict()
    for tied, count in ((True, 25_232_180), (False, 29_232_180)):
        assert AuthorsModel(state, 10_000, 400, [1150, 1150, 400], 10, 0.45, tied).parameter_count == count


def test_the_next_command_leaves_out_what_the_configuration_says_already(monkeypatch):
    model = composed(CONFIG.removeprefix("configs/"), monkeypatch=monkeypatch)["model"]["init_args"]
    for option, value in CONFIGURED.items():
        place: Any = model
        for part in option.split("."):
            place = place[part]
        assert place == value, option


def test_code_in_any_of_the_three_is_named_and_not_run(data):
    witness = data / "witness"
    for number, hostile in enumerate(hostile_objects(witness).values()):

        def change(saved: list[Any], place: int = number % 3, hostile: Any = hostile) -> list[Any]:
            if place == 2:
                return [*saved[:2], hostile]
            saved[place].extra = hostile
            return saved

        save(data, change=change, zipped=number % 2 == 0)
        message = refused(data)
        assert message.startswith(f"{data / 'theirs.pt'}: holds code: it asks to call ")
        assert not witness.exists()


def test_their_classes_are_not_imported_even_where_they_could_be(data, monkeypatch):
    save(data)
    for name in CODE:
        (data / f"{name}.py").write_text(f"open({str(data / 'witness')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(data)
    import_it(data)
    assert not CODE.keys() & sys.modules.keys()
    assert not (data / "witness").exists()


def test_a_text_that_is_another_one_is_told(data):
    save(data)
    (data / "test.txt").write_text("a cow sat\n")
    assert "knows 9 words, but there are 10 in the text" in refused(data)
    (data / "test.txt").write_text("a dog sat\n")
    (data / "valid.txt").write_text("a cow sat\n")
    (data / "train.txt").write_text(TEXTS["train"].replace("cat", "dog"))
    assert "cow is only in one of them" in refused(data)
    (data / "valid.txt").unlink()
    assert f"{data}: has no ptb.valid.txt or valid.txt; name the folder" in refused(data)
