"""A corpus in three files: reading, downloads from a web server on this machine, and checksums."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.command import REPOSITORY

from app.common.errors import UserError
from datamodules import ShuffledWindowLoader, Wikipedia, WindowLoader
from datamodules.torchtext_reader import build_vocabulary, read_words

TEXTS = {
    "train.txt": b"the cat sat <eos>\nthe the dog <unk> sat\n\na cat <eos>\n",
    "valid.txt": b"the bird sat <eos>\n",
    "test.txt": b"a dog <eos>\n",
}
VOCABULARY = b"<unk>\n<eos>\nthe\ndog\n"


def write(folder: Path, **more: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        (folder / name).write_bytes(text)
    for name, text in more.items():
        (folder / f"{name}.txt").write_bytes(text)


def small(folder: Path, **options: Any) -> Wikipedia:
    sizes = {"batch_size": 2, "val_batch_size": 1, "test_batch_size": 1, "bptt": 2}
    data = Wikipedia(str(folder), **sizes | options)
    data.prepare()
    return data


def words(data: Wikipedia, part: str) -> list[str]:
    return [data.vocabulary.words[number] for number in data.corpus.streams[part]]


def test_words_of_the_training_text(tmp_path: Path) -> None:
    write(tmp_path)
    data = small(tmp_path)
    assert data.vocabulary.words == ["<unk>", "<eos>", "the", "cat", "sat", "a", "dog"]
    train = ["the", "cat", "sat", "<eos>", "the", "the", "dog", "<unk>", "sat", "<eos>", "a", "cat", "<eos>"]
    assert words(data, "train") == train
    assert words(data, "val") == ["the", "<unk>", "sat", "<eos>"]
    assert data.checksums["train.txt"] == hashlib.sha256(TEXTS["train.txt"]).hexdigest()
    assert small(tmp_path, vocabulary_limit=4).vocabulary.words == ["<unk>", "<eos>", "the", "cat"]


def test_the_same_words_as_torchtext_finds(tmp_path: Path) -> None:
    text = "".join(f"{' '.join(line)}\n" for line in ("bacab", "b", "dcab", "aaz"))
    write(tmp_path, train=text.encode(), valid=text.encode(), test=text.encode())
    found = read_words(tmp_path / "train.txt")
    data = small(tmp_path)
    assert data.vocabulary.words == build_vocabulary(found).words
    assert words(data, "train") == found


def test_words_of_a_file(tmp_path: Path) -> None:
    write(tmp_path, vocab=VOCABULARY)
    data = small(tmp_path)
    assert data.vocabulary.words == ["<unk>", "<eos>", "the", "dog"]
    assert words(data, "test") == ["<unk>", "dog", "<eos>"]
    with pytest.raises(UserError, match=r"vocabulary_limit is 3, but .*vocab\.txt names the words"):
        small(tmp_path, vocabulary_limit=3)


def test_windows_of_the_authors_or_the_usual_ones(tmp_path: Path) -> None:
    write(tmp_path)
    data = small(tmp_path)
    shuffled = data.train_dataloader()
    assert isinstance(shuffled, ShuffledWindowLoader)
    assert len(shuffled) == data.iterations_per_epoch == 3
    data.reseed(split=0, order=5)
    assert data.train_dataloader().shuffle_seed == 5
    assert isinstance(small(tmp_path, shuffled=False).train_dataloader(), WindowLoader)


def test_it_is_downloaded_and_written_down(serve: Any, tmp_path: Path) -> None:
    served = {**TEXTS, "vocab.txt": VOCABULARY}
    folder = tmp_path / "data" / "wikipedia"
    small(folder, mirrors=[serve({}), serve(served)])
    lines = sorted(f"{hashlib.sha256(text).hexdigest()}  {name}" for name, text in served.items())
    assert sorted((folder / "SHA256SUMS").read_text().splitlines()) == lines
    # A lost file is downloaded again, and must have the same checksum.
    (folder / "valid.txt").unlink()
    small(folder, mirrors=[serve(served)])
    (folder / "test.txt").write_text("another text\n")
    with pytest.raises(UserError, match=r"test\.txt: its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}"):
        small(folder, mirrors=[])


# Without what else the package imports, which takes seconds.
PREPARE = """\
import sys, types
from functools import partial
from pathlib import Path
sys.modules["datamodules"] = types.ModuleType("datamodules")
sys.modules["datamodules"].__path__ = ["datamodules"]
from datamodules.download import fetch
from datamodules.file_sums import add_sum
import requests

folder, mirror, *names = sys.argv[1:]
print("imported", flush=True)
sys.stdin.readline()
for name in names:
    fetch(name, None, [mirror], Path(folder), most=1000, progressbar=False, arrived=partial(add_sum, Path(folder)))
"""


def check_downloaded_once(folder: Path, served: dict[str, bytes], asked: list[str]) -> None:
    assert len(asked) == len(served)
    lines = {f"{hashlib.sha256(text).hexdigest()}  {name}" for name, text in served.items()}
    found = (folder / "SHA256SUMS").read_text().splitlines()
    assert (len(found), set(found)) == (len(lines), lines)
    assert {path.name for path in folder.iterdir()} == {*served, "SHA256SUMS"}


def test_of_several_processes_one_downloads_and_no_checksum_is_lost(serve: Any, tmp_path: Path) -> None:
    """As those of torchrun and of SLURM, or the jobs of an array, which begin at the same time."""
    served, asked = {f"{number}.txt": str(number).encode() for number in range(20)}, list[str]()
    command = [sys.executable, "-c", PREPARE, str(tmp_path / "data"), serve(served, asked=asked), *served]
    processes = [
        subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "imported\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    check_downloaded_once(tmp_path / "data", served, asked)


def test_several_prepare_it_at_the_same_time(serve: Any, tmp_path: Path) -> None:
    served, asked = {**TEXTS, "vocab.txt": VOCABULARY}, list[str]()
    mirror = serve(served, asked=asked)
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(small, tmp_path / "data", mirrors=[mirror]) for _ in range(3)]:
            assert len(done.result().vocabulary) == 4
    check_downloaded_once(tmp_path / "data", served, asked)


def test_one_that_is_stopped_before_a_file_appears_goes_on(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not taken for the user's own, beside which nothing is downloaded."""
    served = {**TEXTS, "vocab.txt": VOCABULARY}
    real = os.replace

    def stopped(source: Any, target: Any) -> None:
        if Path(target).suffix == ".txt":
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            small(tmp_path, mirrors=[serve(served)])
    assert {path.name for path in tmp_path.iterdir()} == {"SHA256SUMS"}
    small(tmp_path, mirrors=[serve(served)])
    assert len((tmp_path / "SHA256SUMS").read_text().splitlines()) == len(served)


def test_a_checksum_that_somebody_knows(serve: Any, tmp_path: Path) -> None:
    mirror, wrong = serve({**TEXTS, "vocab.txt": VOCABULARY}), "0" * 64
    with pytest.raises(UserError, match=r"train\.txt: no mirror has it \(127\.0\.0\.1:\d+: wrong checksum\)"):
        small(tmp_path / "new", mirrors=[mirror], sha256={"train.txt": wrong})
    write(tmp_path / "own")
    with pytest.raises(UserError, match=r"valid\.txt: its SHA-256 is .*, expected 0000"):
        small(tmp_path / "own", sha256={"valid.txt": wrong})
    right = hashlib.sha256(TEXTS["valid.txt"]).hexdigest()
    small(tmp_path / "own", sha256={"valid.txt": right})


def test_nothing_is_downloaded_beside_texts_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path)
    small(tmp_path, mirrors=["nonsense://"])
    assert {path.name for path in tmp_path.iterdir()} == set(TEXTS)
    (tmp_path / "test.txt").unlink()
    with pytest.raises(UserError, match=r"test\.txt is not in .*; put the three texts there"):
        small(tmp_path, mirrors=["nonsense://"])
    with pytest.raises(UserError, match=r"train\.txt is not in .*"):
        small(tmp_path / "nowhere", download=False)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"train": b"a <eos> b\n"}, r"train\.txt, line 1: has <eos> elsewhere than at its end"),
        ({"valid": b"a b\nc \xff\n"}, r"valid\.txt, line 2: is not UTF-8"),
        ({"test": b" \n\n"}, r"test\.txt: is empty"),
        ({"vocab": b"<unk>\n<eos>\nthe cat\n"}, r"vocab\.txt, line 3: has 2 words"),
        ({"vocab": b"<unk>\n\n<eos>\n"}, r"vocab\.txt, line 2: has 0 words"),
        ({"vocab": b"<eos>\nthe\n"}, r"vocab\.txt: has no <unk>"),
        ({"vocab": b"<unk>\nthe\n"}, r"vocab\.txt: the vocabulary has no <eos>"),
        ({"vocab": b"<unk>\n<eos>\n<eos>\n"}, r"vocab\.txt: the vocabulary holds '<eos>' twice"),
    ],
)
def test_one_line_for_a_mistake(tmp_path: Path, files: dict[str, bytes], says: str) -> None:
    write(tmp_path, **files)
    with pytest.raises(UserError, match=says) as caught:
        small(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_list_of_checksums_that_is_none(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("abc\n")
    with pytest.raises(UserError, match=r"SHA256SUMS, line 1: expected a SHA-256 and the name of a file"):
        small(tmp_path, download=False)


def test_a_limit_that_leaves_no_word() -> None:
    with pytest.raises(UserError, match=r"data\.vocabulary_limit is 2"):
        Wikipedia(vocabulary_limit=2)
