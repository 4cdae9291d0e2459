"""Networks of tickets for other people's runtimes: ONNX, and states with sparse weights."""

import copy
import io
import logging
import warnings
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from app.common.errors import UserError, first_line
from app.common.states import plain_name

Example: TypeAlias = tuple[Tensor, ...]
EXAMPLES = 16  # that outputs are compared on
KINDS = ("ih", "hh")  # of the weights of a recurrent layer
WORDS = 64  # of each text that the outputs of a language model are compared on


def network_of(model: nn.Module) -> nn.Module:
    """The network of a module that trains one: its `net`, where that has all parameters; otherwise the module."""
    net = getattr(model, "net", None)
    inside = isinstance(net, nn.Module) and all(name.startswith("net.") for name, _ in model.named_parameters())
    return net if inside and isinstance(net, nn.Module) else model


def recurrent_layer(model: nn.Module) -> str:
    """The name of a recurrent layer, torch's or ours; empty if there is none."""
    for name, module in model.named_modules():
        if isinstance(module, nn.RNNBase | nn.RNNCellBase) or hasattr(module, "weight_hh"):
            return name or type(module).__name__
    return ""


def example_of(model: nn.Module, data: Any) -> Example:
    """Inputs of a model: its `example_input_array`, or those of the first batch that it would be tested on.

    Args:
        model: a LightningModule.
        data: its LightningDataModule.

    Raises:
        UserError: there are none.
    """
    example = getattr(model, "example_input_array", None)
    if example is None:
        data.prepare_data()
        data.setup("test")
        loaders = data.test_dataloader()
        batch = next(iter(loaders[0] if isinstance(loaders, list | tuple) else loaders))
        example = batch[0] if isinstance(batch, list | tuple) else batch
    if not isinstance(example, Tensor):
        raise UserError(
            f"{type(model).__name__}: give it an example_input_array, a tensor; its batches are something else"
        )
    return (example[:EXAMPLES],)


@torch.no_grad()
def outputs_of(model: nn.Module, example: Example) -> Tensor:
    """What the network puts out."""
    found: Tensor = network_of(model)(*example)
    return found


def exact_outputs_of(model: nn.Module, example: Example) -> Tensor:
    """What the network puts out with its weights, computed in float64, where sums in another order are the same."""
    wide = tuple(each.double() if each.is_floating_point() else each for each in example)
    return outputs_of(copy.deepcopy(model).double(), wide)


@torch.no_grad()
def outputs_of_words(model: nn.Module) -> Tensor:
    """What a language model puts out for texts of random words, read in two windows with the state carried over.

    Args:
        model: in evaluation mode, of which `reads_words` holds.

    Returns:
        Scores (words read, vocabulary).
    """
    vocabulary: int = model.embedding.num_embeddings  # type: ignore[union-attr, assignment]
    tokens = torch.randint(vocabulary, (WORDS, EXAMPLES), generator=torch.Generator().manual_seed(0))
    first, state = model(tokens[: WORDS // 2])
    second, _ = model(tokens[WORDS // 2 :], state)
    return torch.cat([first, second]).flatten(0, 1)


def compare(found: Tensor, wanted: Tensor, what: str = "examples") -> str:
    """One line on how much outputs differ.

    Args:
        found: outputs (N, ...).
        wanted: likewise.
        what: what the N of them are.
    """
    most, largest = float((found - wanted).abs().max()), float(wanted.abs().max())
    return f"outputs differ by at most {most:.2g} on {len(wanted):,} {what}, where the largest is {largest:.2g}"


def to_onnx(model: nn.Module, example: Example) -> bytes:
    """The network as an ONNX file with one input and one output, for any number of examples.

    Args:
        model: in evaluation mode.
        example: inputs, two or more.

    Raises:
        UserError: the packages for it are missing, or the network cannot be exported.
    """
    batch = torch.export.Dim("batch")
    names = {"input_names": ["input"], "output_names": ["output"]}
    return _onnx(network_of(model), example, ({0: batch},), type(model).__name__, **names)


class _WordByWord(nn.Module):
    """A language model that reads one word of each text at a time, its state in and out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, h: list[Tensor], c: list[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        logits, (h, c) = self.model(tokens, (h, c))
        return logits, h, c


def reads_words(model: nn.Module) -> bool:
    """Whether it is a language model with a recurrent net: logits and a state from tokens and a state."""
    return hasattr(model, "decoder") and hasattr(getattr(model, "net", None), "initial_state")


def to_onnx_of_words(model: nn.Module) -> bytes:
    """A recurrent language model as an ONNX file of one step, for any number of texts.

    Its inputs are `tokens` (1, texts), and `h_0`, `h_1`, ..., `c_0`, ... of each layer (texts, units), 0 at the
    beginning; its outputs are `logits` (1, texts, words), and `next_h_0`, ..., `next_c_0`, ..., to be put in with the
    next word.

    Args:
        model: in evaluation mode, of which `reads_words` holds.

    Raises:
        UserError: the packages for it are missing, or the model cannot be exported.
    """
    net: Any = model.net
    h, c = net.initial_state(3)
    # Tensors of their own: what is one tensor would be one input.
    example = torch.zeros(1, 3, dtype=torch.int64), [each.clone() for each in h], [each.clone() for each in c]
    texts = torch.export.Dim("texts")
    states = [f"{kind}_{layer}" for kind in "hc" for layer in range(len(h))]
    names = {"input_names": ["tokens", *states], "output_names": ["logits", *(f"next_{name}" for name in states)]}
    shapes = ({1: texts}, [{0: texts}] * len(h), [{0: texts}] * len(c))
    return _onnx(_WordByWord(model).eval(), example, shapes, type(model).__name__, **names)


def _onnx(net: nn.Module, example: tuple[Any, ...], shapes: tuple[Any, ...], name: str, **names: list[str]) -> bytes:
    try:
        import onnxscript  # noqa: F401 - torch's exporter needs it, and onnx
    except ImportError:
        raise UserError("--format onnx needs onnx and onnxscript; pip install them, or the extra `onnx`") from None
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it warns of torchvision, which nobody needs here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own deprecated calls
            program = torch.onnx.export(net, example, dynamo=True, dynamic_shapes=shapes, verbose=False, **names)  # type: ignore[arg-type]
    except Exception as error:  # whatever a forward pass does that cannot be exported
        raise UserError(f"{name} cannot be exported to ONNX ({first_line(error)})") from None
    finally:
        exporter.setLevel(level)
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def to_sparse_state(model: nn.Module, masks: Mapping[str, Tensor]) -> bytes:
    """The state of the network as `torch.save` writes it, with masked weights as sparse CSR.

    These are the weights of linear layers, and of the recurrent layers of a language model. `torch.load` reads the
    state with `weights_only`, and `load_state_dict(state, assign=True)` puts it into the network, whose layers then
    compute with surviving weights alone, in operations of PyTorch. Indices are int32, which MKL takes as they are.

    Args:
        model: in evaluation mode; its network's layers become sparse.
        masks: by name of the model's parameter.

    Raises:
        UserError: it has no such masked layers.
    """
    net = network_of(model)
    prefix = "" if net is model else "net."
    state = {plain_name(name): value.detach() for name, value in net.state_dict().items()}
    layers = [(plain_name(name), module) for name, module in net.named_modules()]
    possible = {f"{name}.weight" for name, module in layers if isinstance(module, nn.Linear)}
    possible |= {f"{name}.weight_{kind}" for name, module in layers if hasattr(module, "weight_hh") for kind in KINDS}
    sparse = [name.removeprefix(prefix) for name in masks if name.removeprefix(prefix) in possible]
    if not sparse:
        raise UserError(
            f"{type(model).__name__} has no masked linear or recurrent layers, and no others can be sparse; choose "
            "--format ticket"
        )
    with warnings.catch_warnings(), torch.sparse.check_sparse_tensor_invariants(True):  # type: ignore[no-untyped-call]
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")  # no user can mend it
        for name in sparse:
            rows = state[name].to_sparse_csr()
            crow, columns = rows.crow_indices().int(), rows.col_indices().int()
            state[name] = torch.sparse_csr_tensor(crow, columns, rows.values(), rows.shape)
        file = io.BytesIO()
        torch.save(state, file)
        net.load_state_dict(state, assign=True)
    return file.getvalue()
