"""The optional interface of a user's module and data; defaults allow any pair of them in a lottery.

| attribute                          | of     | default                                                               |
|------------------------------------|--------|-----------------------------------------------------------------------|
| `prunable_parameters()`            | module | weights of two or more dimensions, without embeddings and norms       |
| `reset_parameters()`               | module | the method of every submodule                                         |
| `metric_schema`                    | module | the logged metrics, with direction and unit inferred from their names |
| `initial_metrics(datamodule)`      | module | none                                                                  |
| `final_metrics(datamodule)`        | module | none                                                                  |
| `kernels(device)`                  | module | none; of every submodule                                              |
| `compiled_layers()`                | module | none: masked layers may become sparse ones (`--pruning.sparse`)       |
| `gated_weights()`                  | module | none; of every submodule                                              |
| `stackable()`                      | module | none: its networks are trained one at a time                          |
| `quiet_steps(optimizer, masks, clip)` | module | none: every iteration has Lightning's hooks                        |
| `reseed(split=, order=)`           | data   | none: torch's global generator is seeded before every training        |
| `iterations_per_epoch`             | data   | the length of its training loader                                     |
| `whole()`, `rows()`, `batch_size`  | data   | none: networks are trained on it one at a time                        |
| `checksums`                        | data   | none                                                                  |
| `state_dict()`, `load_state_dict()`| loader | a training is saved at the ends of epochs only                        |
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer

from app.common.errors import UserError
from app.common.gates import GatedWeight
from app.common.metrics import SUPERMASK, Metric
from app.common.states import plain_name

# Where modules keep sums over the training since the last validation in checkpoints: a tensor, or tensors by name. A
# ticket that goes on from a later moment than iteration 0 begins them anew.
TRAIN_SUMS = ("train_sums", "train_means")


@runtime_checkable
class Resettable(Protocol):
    """A module that can reinitialise its parameters, from torch's global generator."""

    def reset_parameters(self) -> None:
        """Reinitialise all parameters in place."""


@runtime_checkable
class Measured(Protocol):
    """A module that declares the metrics that it logs at every validation."""

    metric_schema: Iterable[Metric]


@runtime_checkable
class InitiallyMeasured(Protocol):
    """A module with metrics that are measured only before the training, of masked and untrained weights."""

    def initial_metrics(self, datamodule: Any) -> Mapping[str, float]:
        """Values by name of the metric, which begins with `supermask_`."""


@runtime_checkable
class FinallyMeasured(Protocol):
    """A module with metrics that are measured only at the end of training."""

    def final_metrics(self, datamodule: Any) -> Mapping[str, float]:
        """Values by name of the metric; they replace those of the last validation in `final_METRIC`."""


@runtime_checkable
class WithKernels(Protocol):
    """A module with several implementations of what it computes, whose results differ in their bits."""

    def kernels(self, device: str) -> Mapping[str, str]:
        """The implementations that it uses on a type of device, such as "cpu", by what they compute.

        It is asked under the autocast of the training.
        """


@runtime_checkable
class WithCompiledLayers(Protocol):
    """A module some of whose layers are trained by compiled code, which needs them as they are."""

    def compiled_layers(self) -> Iterable[nn.Module]:
        """Those layers."""


@runtime_checkable
class Gated(Protocol):
    """A module whose weights have rows for gates."""

    def gated_weights(self) -> Mapping[str, GatedWeight]:
        """The gates of weights, by the parameter's name."""


class StackableParts(NamedTuple):
    """What is trained of a module, where many networks are trained at once.

    Args:
        net: maps images to logits; the loss is the mean cross-entropy.
        prefix: of the names of its parameters in the module.
        optimizer: makes the optimiser from the parameters.
    """

    net: nn.Module
    prefix: str
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]


@runtime_checkable
class Stackable(Protocol):
    """A module of which many networks can be trained at once: a classifier with the metrics of ours."""

    def stackable(self) -> StackableParts:
        """Its parts; a UserError where it has something that this would leave out."""


class QuietSteps(Protocol):
    """Training iterations of a module without hooks between them, several between `begin` and `end`."""

    def begin(self) -> bool:
        """Some iterations follow: whether everything is as it was when this was made."""

    def __call__(self, batch: Any) -> Tensor | None:
        """Train on a batch and return the loss; None if the module has to do this one by itself."""

    def end(self) -> None:
        """The iterations are done."""


@runtime_checkable
class QuietlyTrained(Protocol):
    """A module that can do training iterations by itself, with the bits that they have with Lightning's hooks."""

    def quiet_steps(
        self, optimizer: Optimizer, masks: Mapping[str, Tensor], clip: Callable[[], None] | None
    ) -> QuietSteps | None:
        """Prepare such iterations; None if it cannot do them.

        Args:
            optimizer: of the training.
            masks: bool, by plain parameter name, of the weights that are kept; the others stay 0.
            clip: clips the gradients of the parameters, if they are to be clipped.
        """


@runtime_checkable
class SometimesListening(Protocol):
    """A callback with hooks around iterations that have something to do in some of them only."""

    def listens(self, trainer: Any) -> bool:
        """Whether the hooks around the next iteration have to be called."""


@runtime_checkable
class Indexed(Protocol):
    """Labelled data in memory, whose parts are rows of the whole."""

    batch_size: int

    def whole(self) -> tuple[Tensor, Tensor]:
        """All examples as batches have them, and their labels."""

    def rows(self) -> Mapping[str, Tensor]:
        """The rows of the parts "train", "val" and "test", for the current seed of the split."""


@runtime_checkable
class Reseeded(Protocol):
    """Data with separate seeds for its split and its order."""

    def reseed(self, *, split: int, order: int) -> None:
        """Use these seeds from now on."""


@runtime_checkable
class StatefulLoader(Protocol):
    """A loader that can resume in the middle of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """The position of the loader."""

    def load_state_dict(self, state_dict: Any) -> None:
        """Resume at a position."""


def reset_parameters(module: nn.Module) -> None:
    """Reinitialise all parameters of a module from torch's global generator, and reset its running statistics.

    Raises:
        UserError: a parameter belongs to a module without `reset_parameters`.
    """
    # PyTorch's attention and Transformer have such a method, which leaves some tensors of their submodules as they are;
    # importing lightning.pytorch.demos makes it the attention's reset_parameters.
    some = getattr(module, "_reset_parameters", None)
    own = getattr(module, "reset_parameters", None)
    if own is not None and own != some:
        own()
        return
    stuck = [name for name, _ in module.named_parameters(recurse=False)]
    if stuck and some is None:
        raise UserError(
            f"{type(module).__name__} cannot reinitialise its parameter {stuck[0]}; give it a method reset_parameters()"
        )
    for child in module.children():
        reset_parameters(child)
    if some is not None:
        some()


def metric_schema(module: nn.Module) -> list[Metric] | None:
    """The metrics of validations that a module declares; None if it declares none, and all that is logged is recorded.

    Those that are measured before the training (`initial_schema`) are not among them.
    """
    if not isinstance(module, Measured):
        return None
    return [metric for metric in module.metric_schema if not metric.name.startswith(SUPERMASK)]


def gated_weights(module: nn.Module) -> dict[str, GatedWeight]:
    """The gates of all weights within a module that declares any, by the parameter's plain name in it."""
    return {
        plain_name(f"{prefix}.{name}" if prefix else name): gates
        for prefix, each in module.named_modules()
        if isinstance(each, Gated)
        for name, gates in each.gated_weights().items()
    }


def initial_schema(module: nn.Module) -> list[Metric]:
    """The metrics that a module declares to measure before the training."""
    declared = module.metric_schema if isinstance(module, Measured) else ()
    return [metric for metric in declared if metric.name.startswith(SUPERMASK)]


def initial_metrics(module: nn.Module, datamodule: Any) -> dict[str, float]:
    """The metrics that a module measures before the training; empty if it has none.

    Raises:
        UserError: the name of one does not begin with `supermask_`.
    """
    found = dict(module.initial_metrics(datamodule)) if isinstance(module, InitiallyMeasured) else {}
    if wrong := [name for name in found if not name.startswith(SUPERMASK)]:
        raise UserError(f"{type(module).__name__}.initial_metrics() has {wrong[0]}; its names begin with {SUPERMASK}")
    return found


def final_metrics(module: nn.Module, datamodule: Any) -> dict[str, float]:
    """The metrics that a module measures at the end of training; empty if it has none."""
    return dict(module.final_metrics(datamodule)) if isinstance(module, FinallyMeasured) else {}


def reseed(datamodule: Any, *, split: int, order: int) -> None:
    """Set the seeds of data that has them."""
    if isinstance(datamodule, Reseeded):
        datamodule.reseed(split=split, order=order)


def checksums(datamodule: Any) -> dict[str, str]:
    """Hexadecimal SHA-256 of the files that the data was read from, by name; the name may end with `NOT_ORIGINAL`."""
    return dict(getattr(datamodule, "checksums", {}))


def can_go_on_anywhere(loaders: Iterable[Any]) -> bool:
    """Whether all loaders can resume in the middle of an epoch."""
    return all(isinstance(loader, StatefulLoader) for loader in loaders)
