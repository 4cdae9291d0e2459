"""What is prunable of a module: what it declares, or else all weights but those of embeddings and norms."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from app.common.errors import UserError
from app.common.states import plain_name, plain_parameters

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
CONVOLUTIONS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
OUTPUT = "output"

# The kind of a parameter, or the kinds of its rows with how many there are of each, in order; None: not pruned.
Declared: TypeAlias = str | Sequence[tuple[str | None, int]]


class Part(NamedTuple):
    """Prunable weights of one kind: a parameter, or neighbouring rows of it.

    Args:
        parameter: its plain name.
        kind: layer kind.
        rows: the first row, and that after the last; None for the whole parameter.
    """

    parameter: str
    kind: str
    rows: tuple[int, int] | None = None

    def of(self, tensor: Tensor) -> Tensor:
        """A view of the part of a tensor of the parameter's shape."""
        return tensor if self.rows is None else tensor[slice(*self.rows)]


@runtime_checkable
class Prunable(Protocol):
    """A module that declares its prunable parameters, for a lottery of any module (`app.common.protocols`)."""

    def prunable_parameters(self) -> Mapping[str, "Declared"]:
        """Layer kinds by parameter name, such as {"fc1.weight": "fc", "output.weight": "output"}.

        For a parameter whose rows are of several kinds, the kinds with their numbers of rows, in order, such as
        [("master_hh", 40), ("hh", 800)]; rows of the kind None are not pruned.
        """


def prunable_parameters(module: nn.Module) -> dict[str, str]:
    """The prunable parameters of a module: plain names and layer kinds ("fc", "conv", "output", ...).

    Where the rows of one are of several kinds, these are joined, as "master_hh, hh".

    Raises:
        UserError: as for `prunable_parts`.
    """
    kinds: dict[str, list[str]] = {}
    for part in prunable_parts(module).values():
        kinds.setdefault(part.parameter, []).append(part.kind)
    return {name: ", ".join(found) for name, found in kinds.items()}


def prunable_parts(module: nn.Module) -> dict[str, Part]:
    """What is prunable of a module, in parts of one layer kind each, by name.

    A whole parameter goes by its plain name, rows by that name and their numbers: "net.layers.0.weight_hh[0:40]".

    Raises:
        UserError: the module declares unknown names, or something other than names and kinds, or rows that a parameter
            does not have, or has no prunable parameters, or lazy ones.
    """
    if lazy := [name for name, parameter in module.named_parameters() if is_lazy(parameter)]:
        raise UserError(
            f"{type(module).__name__}: {lazy[0]} has no shape before the first batch; give its layer the sizes"
        )
    whose = f"{type(module).__name__}.prunable_parameters()"
    if isinstance(module, Prunable) and not callable(module.prunable_parameters):
        raise UserError(f"{whose[:-2]} is a {type(module.prunable_parameters).__name__}; expected a method")
    declared = module.prunable_parameters() if isinstance(module, Prunable) else None
    if declared is not None and not isinstance(declared, Mapping):
        raise UserError(f"{whose} returns a {type(declared).__name__}; expected {{parameter name: layer kind}}")
    for name, kind in (declared or {}).items():
        if not isinstance(name, str) or not (isinstance(kind, str) or _are_rows(kind)):
            raise UserError(
                f"{whose} maps {type(name).__name__} to {type(kind).__name__}; expected {{parameter name: layer "
                "kind}}, both text, or [(layer kind, rows), ...] for a kind"
            )
    kinds = {plain_name(name): kind for name, kind in (declared or default_prunable(module)).items()}
    parameters = plain_parameters(module)
    if unknown := [name for name in kinds if name not in parameters]:
        raise UserError(
            f"{whose} names {', '.join(unknown)}; "
            f"its parameters are {', '.join(parameters)} (a tied tensor goes by its first name)"
        )
    if not kinds:
        raise UserError(
            f"{type(module).__name__} has no weights to prune"
            + (
                "; give it a method prunable_parameters() that returns {parameter name: layer kind}"
                if parameters
                else " and no parameters at all before the training; make its layers in __init__"
            )
        )
    parts: dict[str, Part] = {}
    for name, kind in kinds.items():
        parts |= {name: Part(name, kind)} if isinstance(kind, str) else _row_parts(name, kind, parameters[name], whose)
    return parts


def _are_rows(declared: Any) -> bool:
    """Whether something is a list of kinds and numbers of rows."""
    return isinstance(declared, Sequence) and all(
        isinstance(pair, Sequence)
        and len(pair) == 2
        and isinstance(pair[0], str | None)
        and isinstance(pair[1], int)
        and pair[1] >= 0
        for pair in declared
    )


def _row_parts(name: str, rows: Sequence[tuple[str | None, int]], parameter: Tensor, whose: str) -> dict[str, Part]:
    """The parts of a parameter whose rows are of several kinds; one part where all are of the same."""
    having = len(parameter) if parameter.ndim else 0
    if (total := sum(count for _, count in rows)) != having:
        raise UserError(f"{whose} gives kinds to {total:,} rows of {name}, which has {having:,}")
    parts: dict[str, Part] = {}
    start = 0
    for kind, count in rows:
        stop = start + count
        if kind is not None and count:
            whole = count == having
            parts[name if whole else f"{name}[{start}:{stop}]"] = Part(name, kind, None if whole else (start, stop))
        start = stop
    return parts


def declares_prunable(module: nn.Module) -> bool:
    """Whether the module declares its prunable parameters itself."""
    return isinstance(module, Prunable) and bool(module.prunable_parameters())


def default_prunable(module: nn.Module) -> dict[str, str]:
    """Every trainable weight of two or more dimensions, except embeddings and norms, with the kind of its layer.

    The kinds are "conv", "fc", "ih" and "hh" of recurrent layers, and "weight" for all others. The weight of the last
    linear layer is "output". A weight that is tied to an embedding counts as an embedding.
    """
    owners: dict[int, list[tuple[nn.Module, str]]] = {}
    for owner in module.modules():
        for leaf, parameter in owner.named_parameters(recurse=False):
            owners.setdefault(id(parameter), []).append((owner, leaf))
    kinds: dict[str, str] = {}
    last_linear = None
    for name, parameter in plain_parameters(module).items():
        mine = owners[id(parameter)]
        if parameter.ndim < 2 or not parameter.requires_grad:
            continue
        if any(isinstance(owner, EMBEDDINGS + NORMS) for owner, _ in mine):
            continue
        owner, leaf = mine[0]
        kinds[name] = _kind(owner, leaf)
        if isinstance(owner, nn.Linear):
            last_linear = name
    if last_linear is not None:
        kinds[last_linear] = OUTPUT
    return kinds


def _kind(owner: nn.Module, leaf: str) -> str:
    if isinstance(owner, CONVOLUTIONS):
        return "conv"
    if isinstance(owner, nn.Linear | nn.Bilinear):
        return "fc"
    for kind in ("ih", "hh"):
        if kind in leaf.split("_"):
            return kind
    return "weight"
