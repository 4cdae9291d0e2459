import itertools

import pytest
import torch

from app.common.seeds import generator
from datamodules.augmentation import draw_changes, flip_and_crop
from datamodules.image_loader import ImageLoader
from datamodules.scale import to_standard

PIXELS = torch.randint(256, (12, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12)
SCALE = to_standard(PIXELS)


def make(*, as_bytes: bool = False, augment: bool = True, batch_size: int = 5, **options) -> ImageLoader:
    images = PIXELS if as_bytes else SCALE.values(PIXELS)
    return ImageLoader(images, LABELS, batch_size, SCALE, shuffle_seed=7, augment=augment, **options)


def stream(loader: ImageLoader):
    while True:
        yield from loader


def by_hand(epochs: int, batch_size: int = 5):
    for epoch in range(epochs):
        order = torch.randperm(12, generator=generator(7, epoch))
        changed = flip_and_crop(SCALE.values(PIXELS)[order], draw_changes(12, 7, epoch), SCALE.black)
        yield from zip(changed.split(batch_size), LABELS[order].split(batch_size), strict=True)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_images_are_changed_by_their_place_in_the_order_of_the_epoch(as_bytes):
    for (images, labels), (expected, whose) in zip(stream(make(as_bytes=as_bytes)), by_hand(3), strict=False):
        assert torch.equal(images, expected)
        assert torch.equal(labels, whose)


def test_without_augmentation_bytes_and_values_are_the_same():
    for (images, labels), (same, whose) in zip(make(as_bytes=True, augment=False), make(augment=False), strict=True):
        assert torch.equal(images, same)
        assert torch.equal(labels, whose)
        assert torch.equal(images, SCALE.values(PIXELS)[labels])


@pytest.mark.parametrize("before", range(8))
def test_a_loaded_position_goes_on_with_the_same_changes(before):
    whole = list(itertools.islice(stream(make()), before + 4))
    loader = make()
    list(itertools.islice(stream(loader), before))
    state, loader = loader.state_dict(), make()
    loader.load_state_dict(state)
    for (images, _), (expected, _) in zip(stream(loader), whole[before:], strict=False):
        assert torch.equal(images, expected)


def test_processes_share_one_draw():
    alone, *ranks = (
        list(itertools.islice(stream(make(batch_size=4, rank=rank, world_size=processes)), 6))
        for processes, rank in ((1, 0), (2, 0), (2, 1))
    )
    for (images, _), *shares in zip(alone, *ranks, strict=True):
        for rank, (share, _) in enumerate(shares):
            assert torch.equal(share, images[rank::2])
