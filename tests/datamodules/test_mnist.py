import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.needs import DATA, needs_data
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

import datamodules.mnist as module
from app.common.errors import UserError
from datamodules import MNIST
from datamodules.in_memory_data_module import SplitSizes
from datamodules.mnist import FILES, IdxFile

NAMES = [file.name for file in FILES]


@pytest.fixture
def tiny(monkeypatch, idx_bytes) -> dict[str, bytes]:
    """Four small files in place of the real ones: name to unpacked content. 12 training images and 4 for test."""
    random = np.random.default_rng(0)
    contents, files = {}, []
    for file, rows in zip(FILES, (12, 12, 4, 4), strict=True):
        shape = (rows, *file.shape[1:])
        contents[file.name] = idx_bytes(random.integers(0, 10, shape))
        files.append(IdxFile(file.name, shape, hashlib.sha256(contents[file.name]).hexdigest(), "0" * 64))
    monkeypatch.setattr(module, "FILES", tuple(files))
    monkeypatch.setattr(MNIST, "sizes", SplitSizes(9, 3, 4))
    return contents


def put(contents: dict[str, bytes], folder: Path, write_file, *, suffix: str = "") -> dict[str, bytes]:
    return {name + suffix: write_file(folder / (name + suffix), content) for name, content in contents.items()}


def offline(folder: Path, **options) -> MNIST:
    return MNIST(str(folder), download=False, **options)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("folder", [".", "MNIST/raw"])
def test_files_are_found_packed_or_not_in_both_places(tiny, tmp_path, write_file, folder, suffix):
    put(tiny, tmp_path / folder, write_file, suffix=suffix)
    data = offline(tmp_path, batch_size=4)
    data.prepare()
    assert data.checksums == {name: hashlib.sha256(content).hexdigest() for name, content in tiny.items()}
    images, labels = data.test_dataloader().tensors
    pixels = np.frombuffer(tiny["t10k-images-idx3-ubyte"], np.uint8, offset=16).reshape(4, 1, 28, 28)
    assert np.array_equal(images.numpy(), pixels.astype(np.float32) / 255)
    assert labels.tolist() == list(tiny["t10k-labels-idx1-ubyte"][8:])
    train = np.frombuffer(tiny["train-labels-idx1-ubyte"], np.uint8, offset=8)
    split = data.split_rows(torch.zeros(16), seed=data._split_seed)
    assert data.train_eval_dataloader().tensors[1].tolist() == train[split.train.numpy()].tolist()
    assert data.val_dataloader()[0].tensors[1].tolist() == train[split.val.numpy()].tolist()


def test_missing_files_are_downloaded_to_where_torchvision_puts_them(tiny, tmp_path, write_file, serve, monkeypatch):
    archives = put(tiny, tmp_path / "mirror", write_file, suffix=".gz")
    with_archives = tuple(
        IdxFile(f.name, f.shape, f.sha256, hashlib.sha256(archives[f"{f.name}.gz"]).hexdigest()) for f in module.FILES
    )
    monkeypatch.setattr(module, "FILES", with_archives)
    put({NAMES[1]: tiny[NAMES[1]]}, tmp_path / "data", write_file)  # one is there already, and not asked for
    del archives[f"{NAMES[1]}.gz"]
    MNIST(str(tmp_path / "data"), mirrors=(serve({}), serve(archives))).prepare()
    downloaded = {path.name: path.read_bytes() for path in (tmp_path / "data" / "MNIST" / "raw").iterdir()}
    assert downloaded == archives
    offline(tmp_path / "data").prepare()


def test_without_files_and_download_the_message_says_where_they_belong(tmp_path):
    for ask in (MNIST.prepare_data, MNIST.setup):
        with pytest.raises(UserError) as caught:
            ask(offline(tmp_path))
        for part in (NAMES[0], f"{NAMES[0]}.gz", str(tmp_path / "MNIST" / "raw"), "data.download"):
            assert part in str(caught.value)


def test_without_any_mirror_that_answers_nothing_is_left(tmp_path, serve):
    with pytest.raises(UserError, match=rf"{NAMES[0]}\.gz: no mirror has it"):
        MNIST(str(tmp_path / "data"), mirrors=(serve({}),)).prepare()
    assert list(tmp_path.iterdir()) == []


def spoil(tiny, name: str, content: bytes, folder: Path, write_file) -> Path:
    put({**tiny, name: content}, folder, write_file)
    return folder / name


def test_a_file_that_is_there_but_wrong_is_named_and_never_replaced(tiny, tmp_path, write_file, serve):
    right = put(tiny, tmp_path / "mirror", write_file, suffix=".gz")
    wrong = tiny[NAMES[2]][:-1] + b"\xff"
    path = spoil(tiny, NAMES[2], wrong, tmp_path / "MNIST" / "raw", write_file)
    with pytest.raises(UserError, match=rf"^{path}: not MNIST's {NAMES[2]}: the SHA-256 of its content is ") as caught:
        MNIST(str(tmp_path), mirrors=(serve(right),)).prepare()
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert path.read_bytes() == wrong


def test_a_label_above_nine_is_told_with_its_row(tiny, tmp_path, write_file):
    content = bytearray(tiny[NAMES[1]])
    content[8 + 5] = 10
    spoil(tiny, NAMES[1], bytes(content), tmp_path, write_file)
    with pytest.raises(UserError, match="label 5 is 10, expected 0 to 9"):
        offline(tmp_path).setup()


def test_another_number_of_images_is_told(tiny, tmp_path, write_file, idx_bytes):
    spoil(tiny, NAMES[0], idx_bytes(np.zeros((11, 28, 28))), tmp_path, write_file)
    with pytest.raises(UserError, match="has 11 x 28 x 28 values, expected 12 x 28 x 28"):
        offline(tmp_path).setup()


def test_a_damaged_file_is_refused(tiny, tmp_path, write_file):
    spoil(tiny, NAMES[0], tiny[NAMES[0]][:-1], tmp_path, write_file)
    with pytest.raises(UserError, match=f"{NAMES[0]}: is truncated"):
        offline(tmp_path).setup()


def test_a_fake_of_the_right_size_is_refused(tmp_path):
    with open(tmp_path / NAMES[0], "wb") as file:
        file.write(struct.pack(">4I", 0x803, *FILES[0].shape))
        file.truncate(16 + 60_000 * 28 * 28)
    with pytest.raises(UserError, match=f"not MNIST's {NAMES[0]}: the SHA-256 .* expected {FILES[0].sha256}"):
        offline(tmp_path).setup()


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_split_is_whole_disjoint_and_drawn_from_the_seed(seed):
    data, labels = MNIST(), torch.zeros(70_000)
    split = data.split_rows(labels, seed=seed)
    assert tuple(map(len, split)) == data.split_sizes == (55_000, 5_000, 10_000)
    assert torch.equal(torch.cat(split).sort().values, torch.arange(70_000))
    assert torch.equal(split.test, torch.arange(60_000, 70_000))
    assert all(torch.equal(part, part.sort().values) for part in split)
    assert all(map(torch.equal, split, data.split_rows(labels, seed=seed)))
    # Of 5,000 rows drawn twice from 60,000, about 417 agree.
    other = data.split_rows(labels, seed=seed + 1)
    assert 300 < int(torch.isin(split.val, other.val).sum()) < 540


def test_the_command_line_can_make_it_and_write_it_down():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    config = parser.parse_args(["--data=datamodules.MNIST", "--data.mirrors=[http://localhost/]", "--data.seed=3"])
    assert set(config.data.init_args.__dict__) == {
        "data_dir", "batch_size", "eval_batch_size", "seed", "download", "mirrors",
        "train_images", "val_images", "test_images",
    }  # fmt: skip
    again = parser.parse_string(parser.dump(config))
    data = MNIST(**vars(again.data.init_args))
    assert data.mirrors == ("http://localhost/",)
    assert data.batch_size == 60


@needs_data("MNIST/raw", FILES[0].name, f"{FILES[0].name}.gz")
def test_the_real_files_hold_the_known_digits():
    data = offline(DATA)
    data.prepare()
    assert data.checksums == {file.name: file.sha256 for file in FILES}
    (train, train_labels), (val, val_labels), (test, test_labels) = (
        loader.tensors for loader in (data.train_eval_dataloader(), *data.val_dataloader())
    )
    assert (len(train), len(val), len(test)) == data.split_sizes
    train_counts = torch.cat([train_labels, val_labels]).bincount()
    assert train_counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test_labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    pixels = torch.cat([train, val]).double()
    assert pixels.mean().item() == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std().item() == pytest.approx(0.3081, abs=5e-5)
