import hashlib
import io
import logging
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.needs import DATA, needs_data

import datamodules.cifar10 as module
from app.common.errors import UserError
from datamodules import CIFAR10
from datamodules.cifar10 import ARCHIVE, FOLDER, ORIGINALS
from datamodules.in_memory_data_module import SplitSizes
from datamodules.transfer import PIECE

NAMES = list(ORIGINALS)
PER_FILE = 20


@pytest.fixture
def records(monkeypatch) -> dict[str, np.ndarray]:
    """Six small files in place of the real ones: name to records, two images of each class in each of them."""
    random = np.random.default_rng(0)
    files = {}
    for name in NAMES:
        files[name] = random.integers(0, 256, (PER_FILE, 3073), dtype=np.uint8)
        files[name][:, 0] = random.permutation(PER_FILE) % 10
    monkeypatch.setattr(module, "PER_FILE", PER_FILE)
    monkeypatch.setattr(CIFAR10, "sizes", SplitSizes(90, 10, 20))
    return files


def sums(records: dict[str, np.ndarray]) -> dict[str, str]:
    return {name: hashlib.sha256(each.tobytes()).hexdigest() for name, each in records.items()}


def put(records: dict[str, np.ndarray], data_dir: Path) -> CIFAR10:
    folder = data_dir / FOLDER
    folder.mkdir(parents=True)
    for name, each in records.items():
        (folder / name).write_bytes(each.tobytes())
    return CIFAR10(str(data_dir))


def test_batches_are_the_records_standardised_over_the_training_file(records, tmp_path):
    data = put(records, tmp_path)
    data.prepare()
    table = np.concatenate([records[name] for name in NAMES])
    pixels = table[:, 1:].reshape(-1, 3, 32, 32).astype(np.float64)
    mean, std = (f(pixels[:100], axis=(0, 2, 3)).reshape(3, 1, 1) for f in (np.mean, np.std))
    rows = data.rows()
    for name, loader in zip(rows, (data.train_eval_dataloader(), *data.val_dataloader()), strict=True):
        images, labels = loader.tensors
        assert labels.tolist() == table[rows[name], 0].tolist()
        assert np.allclose(images.numpy(), (pixels[rows[name]] - mean) / std, rtol=0, atol=1e-5)
    assert rows["test"].tolist() == list(range(100, 120))
    assert torch.cat([rows["train"], rows["val"]]).sort().values.tolist() == list(range(100))
    images, labels = data.whole()
    assert torch.equal(images[rows["val"]], data.val_dataloader()[0].tensors[0])
    assert torch.equal(labels[rows["val"]], data.val_dataloader()[0].tensors[1])


def test_the_originals_are_recognised(records, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "ORIGINALS", sums(records))
    data = put(records, tmp_path)
    data.prepare()
    assert data.checksums == sums(records)
    assert caplog.text == ""


def test_a_copy_is_used_and_one_line_and_the_record_say_so(records, tmp_path, caplog):
    data = put(records, tmp_path)
    data.prepare()
    assert data.checksums == {f"{name} (not the original)": sum for name, sum in sums(records).items()}
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert said.getMessage().startswith(f"{tmp_path / FOLDER}: not the original CIFAR-10")


def test_a_damaged_file_among_originals_is_refused(records, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ORIGINALS", sums(records))
    records[NAMES[3]][7, 100] ^= 1
    data = put(records, tmp_path)
    with pytest.raises(UserError, match=rf"{NAMES[3]}: damaged: .* expected {module.ORIGINALS[NAMES[3]]}; put the"):
        data.prepare()


@pytest.mark.parametrize("name", [NAMES[2], NAMES[-1]])
def test_classes_of_other_sizes_are_refused(name, records, tmp_path):
    row = int((records[name][:, 0] == 4).argmax())
    records[name][row, 0] = 5
    data = put(records, tmp_path)
    with pytest.raises(UserError, match=r"images of class 4, expected (2|10); put the original files") as caught:
        data.prepare()
    assert ("data_batch_1.bin to data_batch_5.bin: 9 images" in str(caught.value)) == (name != NAMES[-1])


def test_a_missing_file_is_named_with_its_folder_before_anything_is_read(records, tmp_path):
    del records[NAMES[4]]
    data = put(records, tmp_path)
    data.download = False
    for ask in (CIFAR10.prepare_data, CIFAR10.setup):
        with pytest.raises(UserError, match=rf"^{NAMES[4]} is not in {tmp_path / FOLDER}; put the six files"):
            ask(data)


@pytest.fixture
def archive(records, tmp_path, monkeypatch) -> bytes:
    """The archive of the small files, which are the originals."""
    path = tmp_path / "packed"
    with tarfile.open(path, "w:gz") as tar:
        for name, each in {"batches.meta.txt": np.frombuffer(b"airplane", np.uint8), **records}.items():
            info = tarfile.TarInfo(f"{FOLDER}/{name}")
            info.size = each.nbytes
            tar.addfile(info, io.BytesIO(each.tobytes()))
    content = path.read_bytes()
    monkeypatch.setattr(module, "ORIGINALS", sums(records))
    monkeypatch.setattr(module, "ARCHIVE_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(module, "ARCHIVE_SIZE", len(content))
    return content


def test_the_archive_is_downloaded_in_as_many_attempts_as_it_takes(records, archive, serve, tmp_path):
    half = serve({ARCHIVE: archive}, ranges=True, stop_after=2 * PIECE)
    data = CIFAR10(str(tmp_path / "data"), mirrors=(half,))
    with pytest.raises(UserError, match=rf"{ARCHIVE}: no mirror has it .* the same command goes on from there"):
        data.prepare()
    asked = []
    data = CIFAR10(str(tmp_path / "data"), mirrors=(half, serve({ARCHIVE: archive}, ranges=True, asked=asked)))
    data.prepare()
    assert asked == [f"bytes={2 * PIECE}-"]
    assert data.checksums == sums(records)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FOLDER]
    assert sorted(path.name for path in data.folder.iterdir()) == sorted(NAMES)
    CIFAR10(str(tmp_path / "data"), mirrors=()).prepare()


def test_an_archive_that_is_there_is_unpacked_without_replacing_anything(records, archive, tmp_path):
    (tmp_path / "data" / FOLDER).mkdir(parents=True)
    (tmp_path / "data" / ARCHIVE).write_bytes(archive)
    mine = tmp_path / "data" / FOLDER / NAMES[0]
    mine.write_bytes(records[NAMES[1]].tobytes())
    with pytest.raises(UserError, match=rf"{mine}: damaged"):
        CIFAR10(str(tmp_path / "data"), download=False).prepare()
    assert mine.read_bytes() == records[NAMES[1]].tobytes()
    mine.unlink()
    data = CIFAR10(str(tmp_path / "data"), download=False)
    data.prepare()
    assert data.checksums == sums(records)


def test_the_split_has_the_papers_sizes():
    data = CIFAR10()
    split = data.split_rows(torch.zeros(60_000), seed=3)
    assert tuple(map(len, split)) == data.split_sizes == (45_000, 5_000, 10_000)
    assert torch.equal(torch.cat(split).sort().values, torch.arange(60_000))
    assert not torch.equal(split.val, data.split_rows(torch.zeros(60_000), seed=4).val)
    assert data.iterations_per_epoch == 750


def test_gray_images_of_28_rows_are_the_centres_as_pillow_has_them(records, tmp_path):
    put(records, tmp_path)
    data = CIFAR10(str(tmp_path), gray=True, side=28)
    data.prepare()
    images = records[NAMES[-1]][:, 1:].reshape(-1, 3, 32, 32).astype(int)
    red, green, blue = images[..., 2:30, 2:30].transpose(1, 0, 2, 3)
    luma = (19595 * red + 38470 * green + 7471 * blue + 32768) // 65536  # its ImagingConvert, from RGB to L
    assert data._source.pixels.shape == (120, 1, 28, 28)
    assert np.array_equal(data._source.pixels[100:, 0].numpy(), luma)
    with pytest.raises(UserError, match=r"data\.side is 33; expected 1 to 32"):
        CIFAR10(side=33)


@needs_data(FOLDER)
def test_the_real_files_have_the_known_statistics():
    data = CIFAR10(DATA)
    data.prepare()
    scale = data.scale
    assert (scale.mean.flatten() / 255).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=2e-3)
    assert (scale.std.flatten() / 255).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=5e-3)
    assert tuple(map(len, data.rows().values())) == (45_000, 5_000, 10_000)
