"""Downloads of Mikolov's files, replaced by small ones, from a web server on this machine."""

import hashlib

import pytest

import datamodules.ptb as module
from app.common.errors import UserError
from datamodules import PTB
from datamodules.ptb import FILES, TextFile

TEXTS = {"ptb.train.txt": b"a b c\nb c\n", "ptb.valid.txt": b"a b\n", "ptb.test.txt": b"c c\n"}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    counts = {"train": (7, 4), "val": (3, 3), "test": (3, 2)}
    sums = {name: hashlib.sha256(text).hexdigest() for name, text in TEXTS.items()}
    files = (TextFile(f.part, f.name, *counts[f.part], sums[f.name], len(TEXTS[f.name])) for f in FILES)
    monkeypatch.setattr(module, "FILES", tuple(files))


def small(folder, *mirrors, **options) -> PTB:
    return PTB(str(folder), batch_size=1, val_batch_size=1, mirrors=mirrors, **options)


def test_missing_files_are_downloaded(serve, tmp_path):
    folder = tmp_path / "data" / "penn"
    folder.mkdir(parents=True)
    (folder / "valid.txt").write_bytes(TEXTS["ptb.valid.txt"])  # is there already, and not asked for
    served = {name: text for name, text in TEXTS.items() if "valid" not in name}
    small(folder, serve({}), serve(served)).prepare()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "valid.txt": TEXTS["ptb.valid.txt"], **served
    }  # fmt: skip
    data = small(folder, download=False)
    data.prepare()
    assert data.vocabulary.words == ["<unk>", "<eos>", "b", "c", "a"]


def test_nothing_is_asked_for_where_all_is_there_or_texts_are_ones_own(tmp_path):
    for name, text in TEXTS.items():
        (tmp_path / name).write_bytes(text)
    small(tmp_path, "nonsense://").prepare()
    own = {name: str(tmp_path / f"ptb.{name}.txt") for name in ("train", "valid", "test")}
    small(tmp_path / "nowhere", "nonsense://", **own).prepare()
    assert not (tmp_path / "nowhere").exists()


def test_a_mirror_with_another_text_is_not_believed(serve, tmp_path):
    wrong = serve({**TEXTS, "ptb.train.txt": b"c b a\nb c\n"})
    with pytest.raises(UserError, match=r"^ptb\.train\.txt: no mirror has it \(127\.0\.0\.1:\d+: wrong checksum\)"):
        small(tmp_path / "penn", wrong).prepare()
    assert not (tmp_path / "penn").exists()


def test_without_permission_to_download_nothing_is_downloaded(serve, tmp_path):
    with pytest.raises(UserError, match=r"ptb\.train\.txt or train\.txt is not in .*; put Mikolov's three files there"):
        small(tmp_path / "penn", serve(TEXTS), download=False).prepare()
    assert not (tmp_path / "penn").exists()
