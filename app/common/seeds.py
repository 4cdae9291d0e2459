"""Seeds and generators that are derived from the experiment's seed, one for each purpose."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, replicate: int, purpose: str) -> int:
    """A seed in [0, 2**32) that depends on these three values only.

    Args:
        seed: the experiment's seed.
        replicate: the number of the replicate.
        purpose: what the seed is for, such as "initialisation", "split", "order".
    """
    digest = hashlib.sha256(f"{seed}/{replicate}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def generator(seed: int, *parts: int) -> torch.Generator:
    """A CPU generator whose stream depends on `seed` and `parts` only."""
    digest = hashlib.sha256("/".join(map(str, (seed, *parts))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator within the context, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
