import torch

from datamodules.augmentation import PADDING, draw_changes, flip_and_crop


def one_by_one(images, changes, fill):
    """He et al. 2016, section 4.2: an image is flipped, 4 pixels are padded on each side, and a crop is taken."""
    found = torch.empty_like(images)
    for number, image in enumerate(images):
        flip, top, left = changes[:, number].tolist()
        if flip:
            image = image.flip(-1)
        channels, height, width = image.shape
        for channel in range(channels):
            padded = torch.full((height + 8, width + 8), float(fill[channel]))
            padded[4:-4, 4:-4] = image[channel]
            found[number, channel] = padded[top : top + height, left : left + width]
    return found


def test_a_batch_is_changed_as_images_one_by_one():
    images = torch.rand(60, 3, 7, 9)
    changes, fill = draw_changes(60, seed=1, epoch=0), torch.tensor([-1.0, 2.0, 0.5]).view(3, 1, 1)
    before = images.clone()
    found = flip_and_crop(images, changes, fill)
    assert torch.equal(found, one_by_one(images, changes, fill))
    assert torch.equal(images, before)
    assert found.is_contiguous()


def test_without_flip_and_at_the_middle_nothing_changes():
    images = torch.rand(2, 1, 5, 5)
    unchanged = torch.tensor([[0, 0], [PADDING, PADDING], [PADDING, PADDING]])
    assert torch.equal(flip_and_crop(images, unchanged, torch.zeros(1, 1, 1)), images)


def test_flips_and_all_places_are_equally_frequent():
    flips, tops, lefts = draw_changes(90_000, seed=5, epoch=2)
    assert abs(int(flips.sum()) - 45_000) < 4 * 150  # four standard deviations
    counts = torch.bincount(9 * tops + lefts, minlength=81)
    assert len(counts) == 81
    chi = float(((counts - 90_000 / 81) ** 2 / (90_000 / 81)).sum())
    assert chi < 80 + 4 * 160**0.5


def test_changes_depend_on_seed_and_epoch_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = draw_changes(50, seed=5, epoch=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(draw_changes(50, seed=5, epoch=2), first)
    assert not torch.equal(draw_changes(50, seed=6, epoch=2), first)
    assert not torch.equal(draw_changes(50, seed=5, epoch=3), first)
