"""Random masks at ERK densities (Evci et al. 2020): the floor of methods that prune at initialisation."""

from collections.abc import Mapping

from typing_extensions import override

from app.lottery.methods.random_mask import RandomMask
from app.pruning import Masks, erk_counts, survivors


class RandomERK(RandomMask):
    """As many survivors as a ticket has in all, spread over the layers by the Erdos-Renyi-Kernel rule."""

    name = "random_erk"
    label = "random ERK mask"
    note = "a ticket's number of weights at ERK densities, in random places, on the weights that tickets are rewound to"

    @override
    def counts(self, ticket: Masks) -> Mapping[str, int]:
        return erk_counts({name: mask.shape for name, mask in ticket.items()}, sum(survivors(ticket).values()))
