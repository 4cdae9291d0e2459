"""Pools: which tensors' weights are ranked together, and how many weights a pruning leaves in each pool."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from app.common.errors import UserError

SCOPES = ("layerwise", "kind", "global")

# Names of the tensors whose weights are ranked together, sorted.
Pool = tuple[str, ...]


def pools(kinds: Mapping[str, str], scope: str) -> list[Pool]:
    """The pools of a scope.

    Args:
        kinds: layer kind of each prunable tensor.
        scope: "layerwise": every tensor by itself. "kind": the tensors of each kind together. "global": all together.
    """
    names = sorted(kinds)
    if scope == "layerwise":
        return [(name,) for name in names]
    if scope == "global":
        return [tuple(names)]
    return [tuple(name for name in names if kinds[name] == kind) for kind in sorted(set(kinds.values()))]


def pruned_count(rate: float, n: int) -> int:
    """round(rate * n), halves to even, with `rate` meant as the decimal number that it was written as."""
    return round(Fraction(str(rate)) * n)


def after_pruning(
    left: Mapping[Pool, int],
    counts: Mapping[str, int],
    kinds: Mapping[str, str],
    rates: Mapping[str, float],
    least: int = 0,
) -> dict[Pool, int]:
    """How many weights one pruning leaves in each pool.

    Args:
        left: weights left in each pool before it.
        counts: weights of each tensor, now or ever before.
        kinds: layer kind of each tensor; a pool has the rate of its first tensor.
        rates: share of the survivors to remove, by layer kind.
        least: number of weights that every tensor keeps, or all where it has fewer.
    """
    return {
        pool: max(n - pruned_count(rates[kinds[pool[0]]], n), sum(min(counts[name], least) for name in pool))
        for pool, n in left.items()
    }


def in_steps(left: Mapping[Pool, int], counts: Mapping[Pool, int], steps: int) -> Iterator[dict[Pool, int]]:
    """How many weights stay after each of so many steps, each of which keeps the same share.

    After step k of n a share d^(k / n) is left of the weights, where d is the share at the end (Tanaka et al. 2020,
    algorithm 1).

    Args:
        left: weights left in each pool before.
        counts: at the end.
        steps: how many.
    """
    for step in range(1, steps):
        done = step / steps
        yield {pool: round(left[pool] ** (1 - done) * count**done) for pool, count in counts.items()}
    yield dict(counts)


def pool_schedule(
    sizes: Mapping[str, int],
    kinds: Mapping[str, str],
    rates: Mapping[str, float],
    rounds: int,
    *,
    scope: str = "layerwise",
    least: int = 0,
) -> list[dict[Pool, int]]:
    """Survivors of each pool after 0, 1, ..., `rounds` prunings: known before anything is trained.

    Args:
        sizes: of the prunable tensors.
        kinds: layer kind of each.
        rates: share of the survivors that a pruning removes, by layer kind.
        rounds: number of prunings.
        scope: as for `pools`.
        least: as for `after_pruning`.
    """
    found = [{pool: sum(sizes[name] for name in pool) for pool in pools(kinds, scope)}]
    for _ in range(rounds):
        found.append(after_pruning(found[-1], sizes, kinds, rates, least))
    return found


def schedule(
    sizes: Mapping[str, int], kinds: Mapping[str, str], rates: Mapping[str, float], rounds: int, least: int = 0
) -> list[dict[str, int]]:
    """Survivors of each tensor after 0, 1, ..., `rounds` layer-wise prunings; arguments as for `pool_schedule`."""
    table = pool_schedule(sizes, kinds, rates, rounds, least=least)
    return [{name: counts[name,] for name in sizes} for counts in table]


def pools_to_keep(survivors_to_keep: Mapping[str, int] | int, left: Mapping[str, int]) -> dict[Pool, int]:
    """Pools and how many weights to keep in each, of exact numbers.

    Args:
        survivors_to_keep: how many are to stay of each tensor, where those without a number keep all; or of all
            tensors together.
        left: how many each tensor has.

    Raises:
        UserError: a tensor that is not pruned, or a number that is not a whole one from 0 to what is left.
    """
    if not isinstance(survivors_to_keep, Mapping):
        _check_count(survivors_to_keep, sum(left.values()), "survivors_to_keep is")
        return {tuple(sorted(left)): survivors_to_keep}
    for name, count in survivors_to_keep.items():
        if name not in left:
            raise UserError(f"survivors_to_keep names {name}; the pruned tensors are {', '.join(left)}")
        _check_count(count, left[name], f"survivors_to_keep of {name} is")
    return {(name,): survivors_to_keep.get(name, left[name]) for name in sorted(left)}


def _check_count(count: int, left: int, what: str) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= left:
        raise UserError(f"{what} {count!r}; there are {left:,} weights left to keep")
