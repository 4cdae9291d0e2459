"""`python -m app states`: the hidden states of a language model for every word of a text, for probing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from app.commands.progress import progress
from app.common.lines import print_line
from app.common.vocabulary import Vocabulary, vocabulary_of
from app.runs.output_directory import check_output, claim_output
from app.runs.tensors import save_tensors
from app.syntax.raw_text import read_raw_text
from app.syntax.texts import read_sentences

OPTION = "--output"


class StateModel(Protocol):
    """The interface of a model whose states can be read."""

    vocabulary: Vocabulary | None

    def hidden_states(
        self, sentences: Sequence[Sequence[str]], *, advance: Callable[[int], None] = ...
    ) -> list[list[Tensor]]:
        """For each sentence of n words and each layer of H units (n, H)."""


def write_states(model: StateModel, path: Path, output: Path, *, raw: bool = False) -> None:
    """Write the hidden states of all layers for all words of a text, each sentence read by itself.

    The file is safetensors, with one row for each of the N words of the model: `layer_1` and so on, float32 (N, H), h
    after each word; `sentence`, `line` and `position`, int64 (N,), as in the tables of `surprisal`; `unknown`, bool
    (N,). The words are in `words`, uint8: UTF-8, one a line.

    Args:
        model: what reads.
        path: a text file, a sentence a line.
        output: the file to be written.
        raw: the file is running text, whose sentences have to be found.

    Raises:
        UserError: the model has no vocabulary, the text cannot be read, or the file is not one of ours.
    """
    vocabulary = vocabulary_of(model)
    sentences = (read_raw_text if raw else read_sentences)(path, vocabulary)
    check_output(output.parent, [output.name], OPTION)
    with progress() as bars:
        task = bars.add_task("reading sentences", total=len(sentences))
        states = model.hidden_states(
            [sentence.words for sentence in sentences], advance=lambda done: bars.advance(task, done)
        )
    words = [word for sentence in sentences for word in sentence.words]
    rows = [
        (number, sentence.line, position)
        for number, sentence in enumerate(sentences, 1)
        for position in range(1, len(sentence.words) + 1)
    ]
    unknown = set(vocabulary.unknown(words))
    tensors = {f"layer_{layer}": torch.cat(parts) for layer, parts in enumerate(zip(*states, strict=True), 1)}
    tensors |= dict(zip(("sentence", "line", "position"), torch.tensor(rows).unbind(1), strict=True))
    tensors["unknown"] = torch.tensor([word in unknown for word in words])
    tensors["words"] = torch.frombuffer(bytearray("\n".join(words).encode()), dtype=torch.uint8)
    claim_output(output.parent, [output.name], OPTION)
    save_tensors(output, tensors)
    sizes = ", ".join(str(layer.size(1)) for layer in states[0])
    print_line(f"{len(words):,} words of {len(sentences):,} sentences, layers of {sizes} units: {output}")
