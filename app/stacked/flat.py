"""All parameters of N networks in one tensor, a row for each network."""

# N networks, P numbers of one network with padding.

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

ALIGNED = 16  # numbers: kernels read and write 16 bytes at once where every tensor begins at a multiple of them


class _Place(NamedTuple):
    start: int
    shape: torch.Size


class FlatLayout:
    """Where each parameter lies in a row.

    Masks, clipping and the optimiser then work on one tensor instead of one for each parameter. The padding is 0 and
    stays 0: its gradient is 0.

    Args:
        parameters: of one network, by name.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._places: dict[str, _Place] = {}
        size = 0
        for name, parameter in parameters.items():
            self._places[name] = _Place(size, parameter.shape)
            size += -(-parameter.numel() // ALIGNED) * ALIGNED
        self.size = size

    @property
    def names(self) -> list[str]:
        """Names of the parameters, in order."""
        return list(self._places)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The parameters in a tensor (N, P), as views (N, *shape) of it, by name."""
        rows = len(flat)
        return {
            name: flat[:, place.start : place.start + place.shape.numel()].view(rows, *place.shape)
            for name, place in self._places.items()
        }

    @torch.no_grad()
    def pack(self, states: Sequence[Mapping[str, Tensor]], *, dtype: torch.dtype, fill: float | None = None) -> Tensor:
        """A tensor (N, P) on the CPU.

        Args:
            states: one for each network.
            dtype: of the result.
            fill: what the padding has, and parameters that a state lacks; by default 0, and none may be lacking.
        """
        flat = torch.full((len(states), self.size), fill or 0.0, dtype=dtype)
        for name, view in self.views(flat).items():
            for row, state in enumerate(states):
                if fill is None or name in state:
                    view[row] = state[name]
        return flat
