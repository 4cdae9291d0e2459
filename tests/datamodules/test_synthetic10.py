import hashlib
import math
from collections.abc import Iterator
from functools import cache

import pytest
import torch
from torch import nn

from datamodules import Synthetic10
from datamodules.synthetic10 import ANGLES, SIDE, WAVES, texture_images


@pytest.fixture(scope="module", autouse=True)
def _drawn_once() -> Iterator[None]:
    """All 5,000 images take a second; that they are always the same has a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datamodules.synthetic10.texture_images", cache(texture_images))
        yield


def test_parts_are_disjoint_and_the_test_images_always_the_same() -> None:
    parts = []
    for seed in (0, 1):
        data = Synthetic10()
        data.reseed(split=seed, order=0)
        data.prepare()
        rows = data.rows()
        assert sorted(torch.cat(list(rows.values())).tolist()) == list(range(5_000))
        assert {name: len(each) for name, each in rows.items()} == data.split_sizes._asdict()
        parts.append((rows, data.checksums))
    assert parts[0][0]["test"].equal(parts[1][0]["test"])
    assert not parts[0][0]["val"].equal(parts[1][0]["val"])
    assert parts[0][1] == parts[1][1]


def test_batches_are_standardised_colour_images() -> None:
    data = Synthetic10(batch_size=7)
    data.prepare()
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (7, 3, SIDE, SIDE)
    assert images.dtype == torch.float32
    images, _ = data.train_eval_dataloader().tensors
    assert images.mean((0, 2, 3)).abs().max() < 0.02
    assert (images.std((0, 2, 3)) - 1).abs().max() < 0.02
    assert labels.dtype == torch.int64
    _, labels = data.test_dataloader().tensors
    assert torch.bincount(labels).tolist() == [50] * 10


def test_every_processor_draws_the_same_images() -> None:
    """Integers alone, of which the checksum is known: another one means another version of the textures."""
    pixels, labels = texture_images(20, seed=0)
    sha256 = hashlib.sha256(pixels.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()
    assert sha256 == "63505350b09d79a32553fbee56fdd05d8a056375a17a6270ae4bab9dd7153648"


def test_gray_images_of_28_rows_are_those_of_the_colours() -> None:
    data, colours = Synthetic10(gray=True, side=28), Synthetic10(train_images=10)
    for each in (data, colours):
        each.prepare()
    assert data.checksums == colours.checksums
    assert data.test_dataloader().tensors[0].shape == (500, 1, 28, 28)
    pixels, gray = (each._source.pixels for each in (colours, data))
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    expected = (pixels[..., 2:30, 2:30] * luma).sum(1, keepdim=True)
    assert torch.allclose(gray.float(), expected, rtol=0, atol=0.6)
    assert len(colours.train_eval_dataloader().tensors[0]) == 10


def test_a_class_is_a_direction_and_a_length_of_waves() -> None:
    """The strongest wave in an image's spectrum is that of its class."""
    pixels, labels = texture_images(200, seed=3)
    right = 0
    for image, label in zip(pixels.double(), labels.tolist(), strict=True):
        spectrum = torch.fft.fft2(image - image.mean((1, 2), keepdim=True), s=(256, 256)).abs().sum(0)
        row, column = divmod(int(spectrum[:, :128].argmax()), 128)
        down = (row - 256 if row >= 128 else row) / 256 * (SIDE - 1)
        across = column / 256 * (SIDE - 1)
        angle = math.atan2(down, across) % math.pi
        length = math.hypot(down, across)
        nearest = round(angle / (math.pi / ANGLES)) % ANGLES, min(range(2), key=lambda each: abs(WAVES[each] - length))
        right += nearest == (label % ANGLES, label // ANGLES)
    assert right >= 180


def test_a_linear_network_is_right_at_most_half_of_the_time() -> None:
    """An image and its negative are equally likely in a class, because phases and signs of colours are random.

    The highest of ten linear scores of an image is the lowest for its negative, so that one of the two is wrong.
    """
    torch.manual_seed(0)
    data = Synthetic10()
    data.prepare()
    net = nn.Linear(3 * SIDE * SIDE, 10)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for images, labels in data.train_dataloader():
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images.flatten(1)), labels).backward()
        optimizer.step()
    images, labels = data.test_dataloader().tensors
    assert (net(images.flatten(1)).argmax(1) == labels).double().mean() < 0.5
