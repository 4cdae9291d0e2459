import numpy as np
import pytest
import torch

from datamodules.scale import to_standard, to_unit


def test_standardised_channels_have_mean_0_and_deviation_1():
    pixels = torch.randint(256, (2_500, 3, 4, 4), dtype=torch.uint8)
    pixels[:, 1] //= 3
    scale = to_standard(pixels)
    exact = pixels.numpy().astype(np.float64)
    assert scale.mean.flatten().tolist() == pytest.approx(exact.mean((0, 2, 3)), rel=1e-6)
    assert scale.std.flatten().tolist() == pytest.approx(exact.std((0, 2, 3)), rel=1e-6)
    values = scale.values(pixels).double()
    assert values.mean((0, 2, 3)).abs().max() < 1e-5
    assert (values.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_black_is_the_value_of_pixel_0():
    scale = to_standard(torch.randint(256, (10, 3, 4, 4), dtype=torch.uint8))
    assert torch.equal(scale.values(torch.zeros(1, 3, 1, 1, dtype=torch.uint8))[0], scale.black)


def test_a_channel_of_one_value_becomes_0():
    pixels = torch.full((5, 1, 2, 2), 77, dtype=torch.uint8)
    assert torch.equal(to_standard(pixels).values(pixels), torch.zeros(5, 1, 2, 2))


def test_pixels_are_divided_as_by_numpy():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert np.array_equal(to_unit(1).values(pixels).numpy(), pixels.numpy().astype(np.float32) / np.float32(255))
