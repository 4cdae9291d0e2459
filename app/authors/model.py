"""Finds the ON-LSTM authors' language model in one of their files, and renames its parameters to ours."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from app.authors.inert_pickle import Instance, shown
from app.authors.inert_torch import TensorFile, TensorRecord
from app.common.errors import UserError

Modules: TypeAlias = dict[str, dict[Any, Any]]

# The gates have the same order in both. {} is the number of the layer.
LAYER_NAMES = {
    "rnn.cells.{}.ih.0.weight": "net.layers.{}.weight_ih",
    "rnn.cells.{}.ih.0.bias": "net.layers.{}.bias_ih",
    "rnn.cells.{}.hh.weight": "net.layers.{}.weight_hh",
    "rnn.cells.{}.hh.bias": "net.layers.{}.bias_hh",
}
WORD_NAMES = {
    "encoder.weight": "embedding.weight",
    "decoder.weight": "decoder.weight",
    "decoder.bias": "decoder.bias",
}


class AuthorsModel(NamedTuple):
    """The model in a file of the authors' code.

    Args:
        state_dict: float32, by our names; the rows of words are still in the authors' order.
        vocabulary_size: number of words.
        embedding_size: features of an embedding.
        layer_sizes: hidden units of each layer, the lowest first.
        chunk_size: units that share a master gate.
        weight_dropout: share p of recurrent weights dropped in training; the authors scale by 1 - p in evaluation.
        tied: the softmax uses the embedding's weight.
    """

    state_dict: dict[str, Tensor]
    vocabulary_size: int
    embedding_size: int
    layer_sizes: list[int]
    chunk_size: int
    weight_dropout: float
    tied: bool

    @property
    def parameter_count(self) -> int:
        """Number of parameters; a tied weight counts once."""
        counted = {name for name in self.state_dict if not (self.tied and name == "decoder.weight")}
        return sum(self.state_dict[name].numel() for name in counted)


def read_authors_model(file: TensorFile) -> AuthorsModel:
    """Find the model in a file of the authors' code: a list of model, criterion and optimiser.

    The weights are taken as saved: after the switch to ASGD, the authors' code saves the averaged ones.

    Raises:
        UserError: the file holds something else, or a model other than the authors' ON-LSTM.
    """
    match file.root:
        case [Instance(state={"_modules": dict()}) as model, *_]:
            modules = _modules(model)
        case other:
            raise UserError(
                f"{file.path}: holds {_describe(other)}; expected what the ON-LSTM authors' code saves, a list of "
                "model, criterion and optimizer"
            )
    try:
        return _convert(file, modules)
    except _OtherModel as difference:
        raise UserError(
            f"{file.path}: holds a {shown(model.kind)} that is not the authors' ON-LSTM: {difference}"
        ) from None


class _OtherModel(Exception):  # noqa: N818 - always caught in this file
    """How a model differs from the authors'."""


def _convert(file: TensorFile, modules: Modules) -> AuthorsModel:
    parameters = _parameters(modules)
    layers = sum(name.endswith(".hh.weight") for name in parameters)
    names = WORD_NAMES | {
        theirs.format(layer): ours.format(layer) for layer in range(layers) for theirs, ours in LAYER_NAMES.items()
    }
    for difference in sorted(names.keys() - parameters.keys()):
        raise _OtherModel(f"it has no parameter {difference}")
    for difference in sorted(parameters.keys() - names.keys()):
        raise _OtherModel(f"it has a parameter {shown(difference)}, which is unknown")
    if not layers:
        raise _OtherModel("it has no layers")
    shapes = {name: record.shape for name, record in parameters.items()}
    layer_sizes = _check_shapes(shapes, layers)
    cells = [modules.get(f"rnn.cells.{layer}", {}) for layer in range(layers)]
    dropconnects = [modules.get(f"rnn.cells.{layer}.hh", {}) for layer in range(layers)]
    chunk_sizes = [_chunk_size(*shapes[f"rnn.cells.{layer}.hh.weight"]) for layer in range(layers)]
    weight_dropout = _one("weight dropout", [hh.get("dropout") for hh in dropconnects])
    if not 0 <= weight_dropout < 1:
        raise _OtherModel("its weight dropout is outside [0, 1)")
    vocabulary_size, embedding_size = shapes["encoder.weight"]
    return AuthorsModel(
        state_dict={ours: _weights(file, parameters[theirs]) for theirs, ours in names.items()},
        vocabulary_size=vocabulary_size,
        embedding_size=embedding_size,
        layer_sizes=layer_sizes,
        chunk_size=int(_one("chunk_size", [*chunk_sizes, *(cell.get("chunk_size") for cell in cells)])),
        weight_dropout=weight_dropout,
        tied=parameters["decoder.weight"] == parameters["encoder.weight"],
    )


def _modules(model: Instance) -> Modules:
    """The attributes of a module and its submodules, by dotted name; a shared module is listed once."""
    found: Modules = {}
    waiting, seen = [("", model)], {id(model)}
    while waiting:
        name, module = waiting.pop()
        if not isinstance(module.state, dict):
            continue
        found[name] = module.state
        children = module.state.get("_modules")
        for child_name, child in children.items() if isinstance(children, dict) else ():
            if isinstance(child_name, str) and isinstance(child, Instance) and id(child) not in seen:
                seen.add(id(child))
                waiting.append((f"{name}.{child_name}".removeprefix("."), child))
    return found


def _parameters(modules: Modules) -> dict[str, TensorRecord]:
    found = {}
    for module_name, attributes in modules.items():
        parameters = attributes.get("_parameters")
        for name, record in parameters.items() if isinstance(parameters, dict) else ():
            # Without dropout, the authors' DropConnect sets `_weight` to the parameter `weight` itself.
            if isinstance(name, str) and isinstance(record, TensorRecord) and name != "_weight":
                found[f"{module_name}.{name}".removeprefix(".")] = record
    return found


def _check_shapes(shapes: Mapping[str, tuple[int, ...]], layers: int) -> list[int]:
    """Check that all sizes fit together; returns the number of hidden units of each layer."""
    for name, shape in shapes.items():
        if len(shape) != (1 if name.endswith("bias") else 2):
            raise _OtherModel(f"{name} has the shape {shown(str(shape))}")
    words, features = shapes["encoder.weight"]
    expected: dict[str, tuple[int, ...]] = {"encoder.weight": (words, features)}
    sizes = []
    for layer in range(layers):
        rows, size = shapes[f"rnn.cells.{layer}.hh.weight"]
        expected[f"rnn.cells.{layer}.ih.0.weight"] = (rows, features)
        expected[f"rnn.cells.{layer}.hh.weight"] = (rows, size)
        expected |= {f"rnn.cells.{layer}.{part}.bias": (rows,) for part in ("ih.0", "hh")}
        sizes.append(features := size)
    expected |= {"decoder.weight": (words, features), "decoder.bias": (words,)}
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise _OtherModel(f"{name} has the shape {shapes[name]}; the other shapes require {shape}")
    return sizes


def _chunk_size(rows: int, hidden_size: int) -> int:
    """The chunk size from a layer's number of rows: four gates with a row per unit, two with a row per chunk."""
    chunks, odd = divmod(rows - 4 * hidden_size, 2)
    if odd or chunks < 1 or hidden_size % chunks:
        raise _OtherModel(f"{rows:,} rows for {hidden_size:,} units do not give a whole number of chunks")
    return hidden_size // chunks


def _one(what: str, values: Sequence[object]) -> float:
    """The value that all layers have in common."""
    first = values[0]
    if not isinstance(first, int | float) or any(value != first for value in values):
        raise _OtherModel(f"its {what} is not the same number in all layers")
    return first


def _weights(file: TensorFile, record: TensorRecord) -> Tensor:
    if not record.storage.dtype.is_floating_point:
        raise _OtherModel("its parameters are integers")
    return file.tensor(record).float()


def _describe(thing: object) -> str:
    """A few words about the contents of a file."""
    match thing:
        case dict():
            return f"a dictionary of {shown(', '.join(key for key in thing if isinstance(key, str)) or 'nothing')}"
        case list() | tuple():
            return f"a list of {shown(', '.join(map(_kind, thing[:3])) or 'nothing')}"
        case None:
            return "nothing"
    return f"a single {shown(_kind(thing))}"


def _kind(thing: object) -> str:
    return thing.kind if isinstance(thing, Instance) else type(thing).__name__.removesuffix("Record").lower()
