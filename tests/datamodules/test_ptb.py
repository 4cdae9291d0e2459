import hashlib
from pathlib import Path

import pytest
import torch
from helpers.needs import DATA, needs_data
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

import datamodules.ptb as module
from app.common.errors import UserError
from app.common.vocabulary import EOS, UNK
from datamodules import PTB
from datamodules.ptb import FILES, TextFile

NAMES = [file.name for file in FILES]
OWN = {"train": "the cat saw the dog\nthe dog saw a cat\nit ran\n", "valid": "a bird saw it\n", "test": "the dog ran\n"}


@pytest.fixture
def tiny(monkeypatch) -> dict[str, bytes]:
    """Three small files in place of Mikolov's: name to content."""
    contents, files = {}, []
    for file, text in zip(FILES, (OWN["train"] + "<unk> bird\n", OWN["valid"], OWN["test"]), strict=True):
        contents[file.name] = text.encode()
        words = text.replace("\n", f" {EOS} ").split()
        sha256 = hashlib.sha256(contents[file.name]).hexdigest()
        files.append(TextFile(file.part, file.name, len(words), len(set(words)), sha256, len(text)))
    monkeypatch.setattr(module, "FILES", tuple(files))
    return contents


def put(contents: dict[str, bytes], folder: Path, *, prefix: str = "ptb.") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (prefix + name.removeprefix("ptb."))).write_bytes(content)


def small(**options) -> PTB:
    return PTB(**{"batch_size": 1, "val_batch_size": 1, "download": False} | options)


def own(folder: Path, texts: dict[str, str | bytes] | None = None, **options) -> PTB:
    """The user's texts, written to `folder`."""
    paths = {}
    for name, text in {**OWN, **(texts or {})}.items():
        paths[name] = str(folder / f"{name}.text")
        Path(paths[name]).write_bytes(text if isinstance(text, bytes) else text.encode())
    return small(**paths, **options)


def decode(data: PTB, part: str) -> str:
    return " ".join(data.vocabulary.words[number] for number in data.corpus.streams[part].tolist())


@pytest.mark.parametrize("prefix", ["ptb.", ""])
def test_files_are_found_by_either_name(tiny, tmp_path, prefix):
    put(tiny, tmp_path, prefix=prefix)
    data = small(data_dir=str(tmp_path))
    data.prepare()
    for file in module.FILES:
        assert decode(data, file.part) == f" {EOS} ".join(tiny[file.name].decode().splitlines()) + f" {EOS}"
    assert data.checksums == {name: hashlib.sha256(content).hexdigest() for name, content in tiny.items()}
    assert data.corpus.streams["train"].dtype == torch.int64


def test_without_files_and_download_the_message_says_where_they_belong(tmp_path):
    for ask in (PTB.prepare_data, PTB.setup):
        with pytest.raises(UserError) as caught:
            ask(PTB(str(tmp_path), download=False))
        for part in (f"{NAMES[0]} or train.txt is not in {tmp_path}", "data.download", "data.valid"):
            assert part in str(caught.value)


def test_a_file_that_is_there_but_wrong_is_named_and_never_replaced(tiny, tmp_path, serve):
    put(tiny, tmp_path)
    path, wrong = tmp_path / NAMES[1], tiny[NAMES[1]].replace(b"bird saw", b"saw bird")
    path.write_bytes(wrong)
    with pytest.raises(
        UserError, match=rf"^{path}: not Mikolov's {NAMES[1]}: the SHA-256 of its content is "
    ) as caught:
        small(data_dir=str(tmp_path), download=True, mirrors=(serve(tiny),)).prepare()
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert path.read_bytes() == wrong


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("the dog\n", "has 3 words with <eos>, expected 4"),
        ("the the ran\n", "has 3 different words with <eos>, expected 4"),
    ],
)
def test_known_counts_are_checked(tiny, tmp_path, content, reason):
    put({**tiny, NAMES[2]: content.encode()}, tmp_path)
    with pytest.raises(UserError, match=rf"not Mikolov's {NAMES[2]}: {reason}; put the original in its place"):
        small(data_dir=str(tmp_path)).setup()


def test_own_texts_are_read_and_their_unknown_words_become_unk(tmp_path):
    data = own(tmp_path)
    data.prepare()
    assert decode(data, "train") == f"the cat saw the dog {EOS} the dog saw a cat {EOS} it ran {EOS}"
    assert decode(data, "val") == f"a {UNK} saw it {EOS}"
    assert decode(data, "test") == f"the dog ran {EOS}"
    assert data.checksums == {
        str(tmp_path / f"{name}.text"): hashlib.sha256(text.encode()).hexdigest() for name, text in OWN.items()
    }


def test_the_vocabulary_is_by_frequency_then_alphabet_with_unk_and_eos_first(tmp_path):
    data = own(tmp_path)
    data.prepare()
    assert data.vocabulary.words == [UNK, EOS, "the", "cat", "dog", "saw", "a", "it", "ran"]


@pytest.mark.parametrize("limit", [3, 5, 9, 10])
def test_a_limit_counts_all_words_and_keeps_the_most_frequent(tmp_path, limit):
    data = own(tmp_path, vocabulary_limit=limit)
    data.prepare()
    assert data.vocabulary.words == [UNK, EOS, "the", "cat", "dog", "saw", "a", "it", "ran"][:limit]
    known = set(data.vocabulary.words)
    expected = [w if w in known else UNK for w in OWN["train"].replace("\n", f" {EOS} ").split()]
    assert decode(data, "train").split() == expected


@pytest.mark.parametrize("limit", [2, 0, -1])
def test_a_limit_that_leaves_no_word_is_refused(tmp_path, limit):
    with pytest.raises(UserError, match=f"data.vocabulary_limit is {limit}; expected 3 or more"):
        own(tmp_path, vocabulary_limit=limit).setup()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", ": is empty"),
        (b" \n\n", ": is empty"),
        (b"a\n\nb\n", ", line 2: is empty; expected a sentence on every line"),
        (b"a\r\n \t\r\nb", ", line 2: is empty"),
        (b"a\nb\n\n", ", line 3: is empty"),
        (b"a\r\rb", ", line 2: is empty"),
        (b"a\nb\ncaf\xe9\n", ", line 3: is not UTF-8"),
        (b"\xff\xfea\x00\n\x00", ", line 1: is not UTF-8"),
        (b"a\nb <eos>\n", ", line 2: contains <eos>, which is added to every line here"),
    ],
)
@pytest.mark.parametrize("name", ["train", "test"])
def test_a_text_that_is_wrong_is_told_with_its_line(tmp_path, name, content, reason):
    with pytest.raises(UserError) as caught:
        own(tmp_path, {name: content}).prepare()
    assert str(caught.value).startswith(f"{tmp_path / name}.text{reason}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("path", "reason"), [("absent.txt", "No such file"), (".", "Is a directory")])
def test_a_text_that_cannot_be_read_is_told(tmp_path, path, reason):
    data = own(tmp_path)
    data = small(train=str(tmp_path / path), valid=str(tmp_path / "valid.text"), test=str(tmp_path / "test.text"))
    with pytest.raises(UserError, match=rf"^{tmp_path / path}: cannot be read \({reason}"):
        data.prepare()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"train": "a"}, "only data.train is given"),
        ({"valid": "a", "test": "b"}, "only data.valid and data.test are given"),
    ],
)
def test_some_of_the_texts_are_not_enough(given, told):
    with pytest.raises(UserError, match=rf"{told}; name all of data\.train, data\.valid and data\.test"):
        PTB(**given)


def test_the_command_line_can_make_it_and_write_it_down():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    config = parser.parse_args(
        ["--data=datamodules.PTB", "--data.mirrors=[http://localhost/]", "--data.vocabulary_limit=50"]
    )
    assert set(config.data.init_args.__dict__) == {
        *("data_dir", "batch_size", "val_batch_size", "test_batch_size", "bptt", "seed", "vocabulary_limit"),
        *("train", "valid", "test", "download", "mirrors"),
    }
    data = PTB(**vars(parser.parse_string(parser.dump(config)).data.init_args))
    assert data.mirrors == ("http://localhost/",)
    assert data.vocabulary_limit == 50


def test_reading_prints_nothing(tmp_path, capfd):
    own(tmp_path).prepare()
    assert capfd.readouterr() == ("", "")


@needs_data("penn")
def test_the_real_files_hold_the_known_words():
    data = PTB(str(DATA / "penn"), download=False)
    data.prepare()
    assert {part: len(stream) for part, stream in data.corpus.streams.items()} == {
        "train": 929_589, "val": 73_760, "test": 82_430
    }  # fmt: skip
    assert len(data.vocabulary) == 10_000
    assert "<pad>" not in data.vocabulary
    # The known start, and the known counts of the two most frequent and the rarest words of the training text.
    assert decode(data, "train").startswith("aer banknote berlitz calloway centrust cluett fromstein gitano")
    assert data.vocabulary.words[:4] == [UNK, EOS, "the", "N"]
    counts = data.corpus.streams["train"].bincount()
    assert counts[:4].tolist() == [45_020, 42_068, 50_770, 32_481]
    assert len(counts) == 10_000
    assert data.train_dataloader().columns.shape == (46_479, 20)
    assert data.val_dataloader().columns.shape == (7_376, 10)
    assert len(data.test_dataloader()) == 1_178
