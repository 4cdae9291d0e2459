"""The compiled library of the recurrent layers; without a compiler PyTorch computes their steps."""

import functools
from pathlib import Path

from app.nets.compiled_library import CompiledLibrary, Sources

SOURCES = Sources("recurrent", Path(__file__).parent / "csrc", "The recurrent layers")


@functools.cache
def library() -> CompiledLibrary | None:
    """The compiled library, built if necessary; None if that is not possible."""
    return SOURCES.library()


def library_digest() -> str | None:
    """The first 16 digits of the SHA-256 of the library that this process uses; None if it uses none."""
    found = library()
    return None if found is None else found.digest
