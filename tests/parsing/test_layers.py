"""Trees by layer: which distances go into which tree."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from app.common.errors import UserError
from app.parsing import BUILDERS, build_tree
from app.parsing.layers import MEAN, by_layer, layer_trees, ties


@st.composite
def sentences(draw: st.DrawFn) -> list[Tensor]:
    """Distances of sentences of several lengths, each (L, n)."""
    layers = draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    return [torch.rand(layers, length, generator=generator) for length in lengths]


@given(sentences(), st.sampled_from(sorted(BUILDERS)))
def test_every_layer_and_their_mean(distances: list[Tensor], builder: str) -> None:
    trees = layer_trees(distances, builder)
    layers = len(distances[0])
    names = [f"layer {number}" for number in range(1, layers + 1)]
    assert list(trees) == [*names, MEAN][: layers + (layers > 1)]
    for number, name in enumerate(names):
        assert trees[name] == [build_tree([float(v) for v in sentence[number]], builder) for sentence in distances]
    if layers > 1:
        means = [[sum(float(v) for v in word) / layers for word in sentence.T] for sentence in distances]
        assert trees[MEAN] == [build_tree(mean, builder) for mean in means]


def test_the_lowest_layer_is_the_first() -> None:
    distances = torch.tensor([[0.1, 0.9, 0.2], [0.9, 0.5, 0.1]])
    assert by_layer(distances) == {
        "layer 1": pytest.approx([0.1, 0.9, 0.2]),
        "layer 2": pytest.approx([0.9, 0.5, 0.1]),
        MEAN: pytest.approx([0.5, 0.7, 0.15]),
    }
    assert layer_trees([distances]) == {"layer 1": [(0, (1, 2))], "layer 2": [(0, (1, 2))], MEAN: [(0, (1, 2))]}
    assert layer_trees([distances[1:]]) == {"layer 1": [(0, (1, 2))]}
    assert layer_trees([torch.tensor([[0.1, 0.2, 0.9]])], "between_words") == {"layer 1": [((0, 1), 2)]}


def test_the_authors_builder_is_the_default() -> None:
    distances = [torch.rand(2, 9, generator=torch.Generator().manual_seed(seed)) for seed in range(5)]
    assert layer_trees(distances) == layer_trees(distances, "shen2018") != layer_trees(distances, "between_words")


def test_no_sentences() -> None:
    assert layer_trees([]) == {}


def test_a_model_that_has_diverged() -> None:
    with pytest.raises(UserError, match=r"^[^\n]*nan[^\n]*$"):
        layer_trees([torch.tensor([[0.1, float("nan")]])])


def test_no_such_builder() -> None:
    with pytest.raises(UserError, match=r"^builder is 'mine'; [^\n]+$"):
        layer_trees([torch.rand(1, 3)], "mine")


def test_ties_are_counted_by_layer() -> None:
    sentences = [
        torch.tensor([[0.5, 0.5, 0.5], [0.1, 0.2, 0.3]]),
        torch.tensor([[0.1, 0.3, 0.3], [0.1, 0.2, 0.2]]),
        torch.tensor([[0.5, 0.5], [0.5, 0.5]]),  # has one tree only
    ]
    assert ties(sentences) == {"layer 1": (2, 1), "layer 2": (1, 0), "mean of layers": (1, 0)}


def test_equal_distances_are_right_branching() -> None:
    """What the count of ties is told with."""
    equal = [torch.full((1, 5), 0.5)]
    for builder in BUILDERS:
        assert layer_trees(equal, builder)["layer 1"] == [(0, (1, (2, (3, 4))))]
