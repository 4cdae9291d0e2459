"""What controls of iterative tickets have in common."""

from collections.abc import Collection

from typing_extensions import override

from app.lottery.methods.iterative import Iterative
from app.lottery.methods.method import Method, ticket_key
from app.runs.layout import NetworkKey


class Control(Method):
    """A network beside an iterative ticket of the same round, made from its mask and not from its trained weights."""

    of = Iterative.name

    @override
    def needs(self, key: NetworkKey, methods: Collection[str]) -> tuple[NetworkKey, ...]:
        return (ticket_key(key),)

    @override
    def reads_weights_of(self, key: NetworkKey) -> tuple[NetworkKey, ...]:
        return ()
