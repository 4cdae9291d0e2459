"""Layers that compute with their surviving weights alone, on a CPU; `app.nets.sparsify` swaps them in."""

from app.nets.sparse.build import usable
from app.nets.sparse.conv import SparseConv2d
from app.nets.sparse.layer import SparseLayer, kernels
from app.nets.sparse.linear import SparseLinear
from app.nets.sparse.pattern import SparsePattern
from app.nets.sparse.recurrent import Patterns, read
from app.nets.sparse.values import survivors

__all__ = [
    "Patterns",
    "SparseConv2d",
    "SparseLayer",
    "SparseLinear",
    "SparsePattern",
    "kernels",
    "read",
    "survivors",
    "usable",
]
