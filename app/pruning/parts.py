"""Parts: tensors cut into the rows of one kind, which is what is ranked and counted; masks stay whole tensors."""

from collections.abc import Mapping

from torch import Tensor, nn

from app.common.errors import UserError
from app.common.prunable import Part, prunable_parts
from app.common.states import plain_parameters
from app.pruning.masks import Masks, weight_sizes
from app.pruning.pools import Pool, pools_to_keep


def split(tensors: Mapping[str, Tensor], parts: Mapping[str, Part]) -> dict[str, Tensor]:
    """Views of the parts.

    Args:
        tensors: such as masks or scores, by parameter name; rows are their first dimension.
        parts: by name, of parameters that are among them.
    """
    return {name: part.of(tensors[part.parameter]) for name, part in parts.items()}


def joined(masks: Mapping[str, Tensor], pieces: Mapping[str, Tensor], parts: Mapping[str, Part]) -> Masks:
    """Masks with other values in their parts, as new tensors on the CPU.

    Args:
        masks: by parameter name; rows that are in no part stay as they are.
        pieces: the values, by name of the part.
        parts: by name.
    """
    whole = {name: mask.detach().cpu().clone() for name, mask in masks.items()}
    for name, piece in pieces.items():
        parts[name].of(whole[parts[name].parameter]).copy_(piece)
    return whole


def kinds_of(parts: Mapping[str, Part]) -> dict[str, str]:
    """The kind of each part."""
    return {name: part.kind for name, part in parts.items()}


def part_sizes(module: nn.Module) -> dict[str, int]:
    """Sizes of all weight tensors, as `weight_sizes`, with prunable ones by part.

    Rows of a prunable tensor that are in no part count under the tensor's name.
    """
    sizes, parameters = weight_sizes(module), plain_parameters(module)
    for name, part in prunable_parts(module).items():
        size = part.of(parameters[part.parameter]).numel()
        sizes[part.parameter] = sizes.get(part.parameter, size) - size
        if sizes[part.parameter] == 0:
            del sizes[part.parameter]
        sizes[name] = size
    return sizes


def part_pools_to_keep(
    survivors_to_keep: Mapping[str, int] | int,
    left: Mapping[str, int],
    tensors: Mapping[str, int],
    parts: Mapping[str, Part],
) -> dict[Pool, int]:
    """Pools of parts and how many weights to keep in each, of exact numbers.

    Args:
        survivors_to_keep: how many are to stay of each part, or of a tensor with several, which are ranked together
            then; those without a number keep all. Or of all parts together.
        left: how many each part has.
        tensors: how many each tensor has.
        parts: by name.

    Raises:
        UserError: as for `pools_to_keep`.
    """
    if not isinstance(survivors_to_keep, Mapping):
        return pools_to_keep(survivors_to_keep, left)
    counts, together = dict(survivors_to_keep), {}
    for tensor in [name for name in counts if name in tensors and name not in left]:
        pool = tuple(sorted(name for name, part in parts.items() if part.parameter == tensor))
        having = sum(left[name] for name in pool)
        kept = counts.pop(tensor) - (tensors[tensor] - having)  # rows that are in no part stay
        if both := [name for name in pool if name in counts]:
            raise UserError(f"survivors_to_keep names {tensor} and its part {both[0]}; name one of them")
        together[pool] = pools_to_keep(kept, {name: left[name] for name in pool})[pool]
    rest = pools_to_keep(counts, left)
    return {pool: count for pool, count in rest.items() if not any(pool[0] in each for each in together)} | together
