"""`python -m app import-authors`: convert a checkpoint of the ON-LSTM authors' code into one of ours."""

import hashlib
import io
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch

from app.authors.inert_torch import read_tensor_file
from app.authors.model import AuthorsModel, read_authors_model
from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import unwritable, write_atomically
from app.common.vocabulary import Vocabulary
from datamodules.ptb import FILES
from datamodules.torchtext_reader import build_vocabulary, read_words

DATA_DIR = "data/penn"
CONFIG = "configs/ptb/on_lstm.yaml"
# Values of that configuration; a model that differs needs these options on the command line.
CONFIGURED = {
    "tied": True,
    "net.init_args.input_size": 400,
    "net.init_args.layer_sizes": [1150, 1150, 400],
    "net.init_args.chunk_size": 10,
    "net.init_args.weight_dropout": 0.45,
}
OWN = {
    "train": "train",
    "val": "valid",
    "test": "test",
}  # options of datamodules.PTB for another text
ROWS_OF_WORDS = ("embedding.weight", "decoder.weight", "decoder.bias")


def main(argv: Sequence[str]) -> None:
    """Convert the checkpoint that the command line names, and describe it.

    Args:
        argv: the arguments after `import-authors`.

    Raises:
        UserError: the file is not a checkpoint of the authors' code, the text is not the one that the model was trained
            on, or the output file exists and differs.
    """
    parser = Parser(
        "python -m app import-authors",
        description="Convert a checkpoint of the ON-LSTM authors' code. No code from the file is run.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="what their main.py saved, such as PTB.pt")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(DATA_DIR),
        metavar="DIR",
        help="the folder of the text that it was trained on: ptb.train.txt or train.txt and so on (%(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write; by default CHECKPOINT with the ending .ckpt"
    )
    options = parser.parse_args(argv)
    output = options.output or options.checkpoint.with_suffix(".ckpt")
    if reason := unwritable(output.parent):
        raise UserError(f"{output}: cannot be written ({reason}); name another --output")
    model = read_authors_model(read_tensor_file(options.checkpoint))
    words = read_words_of(options.data)
    state = _write(convert(model, words, options.checkpoint), output)
    print(f"found: {describe(model)}")
    print(f"words: {words.description}")
    print(f"{state}: {output}")
    print(f"next: {next_command(model, words, output)}")


class Words(NamedTuple):
    """The vocabulary of the text that a model was trained on.

    Args:
        theirs: the words as the authors' code numbers them, by first appearance in training, validation and test text.
        ours: the words as `datamodules.PTB` numbers them.
        description: of the text.
        options: options of `datamodules.PTB` that make it read this text.
    """

    theirs: list[str]
    ours: Vocabulary
    description: str
    options: dict[str, str]


def read_words_of(folder: Path) -> Words:
    """Read the words of the three texts in a folder.

    Args:
        folder: contains ptb.train.txt or train.txt, and likewise the validation and test texts.

    Raises:
        UserError: a text is missing or cannot be read.
    """
    paths = {}
    for file in FILES:
        found = [folder / name for name in file.names if (folder / name).exists()]
        if not found:
            raise UserError(
                f"{folder}: has no {' or '.join(file.names)}; name the folder of the text that the model was trained "
                "on with --data"
            )
        paths[file] = found[0]
    streams = {file.part: read_words(path) for file, path in paths.items()}
    theirs = list(dict.fromkeys(word for stream in streams.values() for word in stream))
    ours = build_vocabulary(streams["train"])
    if all(hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256 for file, path in paths.items()):
        return Words(theirs, ours, f"Mikolov's Penn Treebank in {folder}", {"data_dir": str(folder)})
    own = {OWN[file.part]: str(path) for file, path in paths.items()}
    return Words(theirs, ours, f"a text of its own in {folder}; right only if the model was trained on just this", own)


def convert(model: AuthorsModel, words: Words, path: Path) -> dict[str, Any]:
    """Make a checkpoint of ours, which Lightning loads without running code from it.

    Args:
        model: the authors' model.
        words: of the text that it was trained on.
        path: of the authors' file, for error messages.

    Raises:
        UserError: the model was trained on another text.
    """
    if len(words.theirs) != model.vocabulary_size:
        raise UserError(
            f"{path}: knows {model.vocabulary_size:,} words, but there are {len(words.theirs):,} in the text "
            f"({words.description}); name the folder of the text that it was trained on with --data"
        )
    if difference := sorted(set(words.theirs) ^ set(words.ours.words)):
        raise UserError(
            f"{path}: cannot be used with our vocabulary, which is <unk> and the words of the training text: "
            f"{difference[0]} is only in one of them"
        )
    number = {word: row for row, word in enumerate(words.theirs)}
    order = torch.tensor([number[word] for word in words.ours.words])
    weights = {name: model.state_dict[name][order] for name in ROWS_OF_WORDS}
    if model.tied:
        weights["decoder.weight"] = weights["embedding.weight"]  # stored once
    return {
        "pytorch-lightning_version": version("lightning"),
        "epoch": 0,
        "global_step": 0,
        "state_dict": model.state_dict | weights,
        "vocabulary": {"words": words.ours.words, "sha256": words.ours.sha256},
    }


def describe(model: AuthorsModel) -> str:
    """One line about the model that was found."""
    return (
        f"an ON-LSTM of {model.parameter_count:,} parameters: {model.vocabulary_size:,} words, embedding "
        f"{model.embedding_size:,}, layers {', '.join(map(str, model.layer_sizes))}, chunk size {model.chunk_size}, "
        f"weight dropout {model.weight_dropout}, softmax {'tied to' if model.tied else 'apart from'} the embedding"
    )


def next_command(model: AuthorsModel, words: Words, output: Path) -> str:
    """The command that measures the perplexity of the converted model."""
    found = {
        "vocabulary_size": model.vocabulary_size,
        "tied": model.tied,
        "net.init_args.input_size": model.embedding_size,
        "net.init_args.layer_sizes": model.layer_sizes,
        "net.init_args.chunk_size": model.chunk_size,
        "net.init_args.weight_dropout": model.weight_dropout,
    }
    command = ["python", "-m", "app", "test", "--config", CONFIG, "--ckpt_path", str(output)]
    for option, value in found.items():
        if value != CONFIGURED.get(option):
            command += [f"--model.init_args.{option}", str(value).replace(" ", "").lower()]
    for option, name in words.options.items():
        if (option, name) != ("data_dir", DATA_DIR):
            command += [f"--data.init_args.{option}", name]
    return shlex.join(command)


def _write(checkpoint: dict[str, Any], path: Path) -> str:
    """Write a checkpoint, unless another file exists there; returns what was done, in words."""
    content = io.BytesIO()
    torch.save(checkpoint, content)
    if path.exists():
        if path.read_bytes() == content.getvalue():
            return "there already"
        raise UserError(f"{path}: is there already and has other contents; move it away, or name another --output")
    write_atomically(path, content.getvalue())
    return "written"
