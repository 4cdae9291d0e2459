"""Which kinds of a language model's weights are pruned."""

from collections.abc import Collection, Mapping

from app.common.errors import UserError
from app.common.prunable import Declared

EMBEDDING = "embedding"


def chosen_kinds(declared: Mapping[str, Declared], chosen: Collection[str] | None) -> dict[str, Declared]:
    """What is pruned of all that can be.

    Args:
        declared: kinds of parameters, or of their rows, by parameter name.
        chosen: the kinds that are pruned; None for all but the embedding.

    Returns:
        Of the parameters that have such a kind; rows of another have the kind None.

    Raises:
        UserError: no kinds, or one that nothing has.
    """
    all_kinds = [[kind] if isinstance(kind, str) else [each for each, _ in kind] for kind in declared.values()]
    having = {each for kinds in all_kinds for each in kinds if each is not None}
    if chosen is None:
        chosen = having - {EMBEDDING}
    unknown = sorted(set(chosen) - having)
    if unknown or not chosen:
        what = f"names {', '.join(unknown)}" if unknown else "is empty"
        raise UserError(f"prunable {what}; the kinds of weights of this model are {', '.join(sorted(having))}")
    found: dict[str, Declared] = {}
    for name, kind in declared.items():
        if isinstance(kind, str):
            found |= {name: kind} if kind in chosen else {}
        elif any(each in chosen for each, _ in kind):
            found[name] = [(each if each in chosen else None, count) for each, count in kind]
    return found
