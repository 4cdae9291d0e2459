"""How many weights each layer keeps, where only their sum is given."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor, prod

from app.common.errors import UserError


def erk_counts(shapes: Mapping[str, Sequence[int]], total: int) -> dict[str, int]:
    """Counts by the Erdos-Renyi-Kernel rule (Evci et al. 2020): large layers are the sparser.

    The density of a layer is proportional to the sum of its dimensions over their product: (n_in + n_out + h + w) /
    (n_in n_out h w) for a convolution, (n_in + n_out) / (n_in n_out) for a fully connected one, the Erdos-Renyi rule of
    Mocanu et al. (2018). Layers for which that is more than 1 are whole, and the others share what is left.

    Args:
        shapes: of the prunable tensors, by name.
        total: how many weights are kept in all.

    Returns:
        By name; they sum to `total` exactly.

    Raises:
        UserError: there are fewer weights than that.
    """
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    return _spread(total, sizes=sizes, shares={name: sum(shape) for name, shape in shapes.items()})


def balanced_counts(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """The same count for every layer; those with fewer weights are whole, and the others share what is left.

    Args:
        sizes: of the prunable tensors, by name.
        total: how many weights are kept in all.

    Returns:
        By name; they sum to `total` exactly, and those that are not whole differ by 1 at most.

    Raises:
        UserError: there are fewer weights than that.
    """
    return _spread(total, sizes=sizes, shares=dict.fromkeys(sizes, 1))


def _spread(total: int, *, sizes: Mapping[str, int], shares: Mapping[str, int]) -> dict[str, int]:
    """Counts in proportion to shares, none above its size; the largest remainders are rounded up, by name if equal."""
    if not 0 <= total <= sum(sizes.values()):
        raise UserError(f"{total:,} weights are to be kept of {sum(sizes.values()):,}; there are not so many")
    counts: dict[str, int] = {}
    while rest := sorted(sizes.keys() - counts.keys()):
        each = Fraction(total - sum(counts.values()), sum(shares[name] for name in rest))
        whole = {name: sizes[name] for name in rest if each * shares[name] >= sizes[name]}
        if not whole:
            exact = {name: each * shares[name] for name in rest}
            counts |= {name: floor(value) for name, value in exact.items()}
            nearest = sorted(rest, key=lambda name: floor(exact[name]) - exact[name])
            for name in nearest[: total - sum(counts.values())]:
                counts[name] += 1
            break
        counts |= whole
    return {name: counts[name] for name in sizes}
