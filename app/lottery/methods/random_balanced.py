"""Random masks with as many weights in every layer."""

from collections.abc import Mapping

from typing_extensions import override

from app.lottery.methods.random_mask import RandomMask
from app.pruning import Masks, balanced_counts, survivors


class RandomBalanced(RandomMask):
    """As many survivors as a ticket has in all, the same number in every layer that is large enough."""

    name = "random_balanced"
    label = "random balanced mask"
    note = (
        "a ticket's number of weights, the same in every layer that has them, in random places, on the weights that "
        "tickets are rewound to"
    )

    @override
    def counts(self, ticket: Masks) -> Mapping[str, int]:
        return balanced_counts({name: mask.numel() for name, mask in ticket.items()}, sum(survivors(ticket).values()))
