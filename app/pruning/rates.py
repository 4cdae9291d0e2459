"""Rates: the share of the surviving weights that a pruning removes, by layer kind."""

from collections.abc import Mapping

from app.common.errors import UserError

# The paper's rates for LeNet: the output layer at half the rate of the others.
USUAL_RATE, OUTPUT_RATE = 0.2, 0.1


def usual_rates(kinds: Mapping[str, str], scope: str = "layerwise") -> dict[str, float]:
    """The rates where none are given: 0.2 by layer kind, 0.1 for the output layer (Frankle & Carbin, Figure 2).

    Args:
        kinds: layer kind of each prunable tensor.
        scope: what is ranked together; "global" has one rate for all, 0.2.
    """
    output = USUAL_RATE if scope == "global" else OUTPUT_RATE
    return {kind: output if kind == "output" else USUAL_RATE for kind in sorted(set(kinds.values()))}


def check_rates(rates: Mapping[str, float], scope: str = "layerwise") -> None:
    """Make sure that every rate is a share of the surviving weights, strictly between 0 and 1.

    Args:
        rates: by layer kind.
        scope: what is ranked together; "global" needs the same rate for all kinds.

    Raises:
        UserError: no rates, or one that is not a number in (0, 1), or several where one is needed.
    """
    if not isinstance(rates, Mapping):
        raise UserError(f"rates is {rates!r}; expected a rate per layer kind, such as fc: 0.2")
    if not rates:
        raise UserError("rates is empty; give a rate per layer kind, such as fc: 0.2")
    for kind, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise UserError(f"rates.{kind} is {rate!r}; expected a number between 0 and 1")
        if not 0 < rate < 1:
            raise UserError(f"rates.{kind} is {rate:g}; it is the share pruned per round, so choose it between 0 and 1")
    if scope == "global" and len(set(rates.values())) > 1:
        given = ", ".join(f"{kind} {rate:g}" for kind, rate in rates.items())
        raise UserError(
            f"scope global ranks all weights together, at one rate, and rates has {given}; give all kinds the same "
            "rate, or choose scope kind, which ranks each kind by itself"
        )


def check_kinds(kinds: Mapping[str, str], rates: Mapping[str, float]) -> None:
    """Make sure that every layer kind has a rate, and that every rate has layers.

    Raises:
        UserError: naming the kinds without a counterpart.
    """
    missing, idle = set(kinds.values()) - set(rates), set(rates) - set(kinds.values())
    if missing or idle:
        what = f"has no rate for {', '.join(sorted(missing))}" if missing else f"names {', '.join(sorted(idle))}"
        raise UserError(f"rates {what}; the layer kinds of this network are {', '.join(sorted(set(kinds.values())))}")
