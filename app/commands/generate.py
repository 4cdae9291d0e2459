"""`python -m app generate`: sentences drawn from a language model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.commands.progress import progress
from app.common.files import write_atomically
from app.common.lines import print_line, print_to_stderr
from app.common.vocabulary import UNK, Vocabulary, vocabulary_of
from app.runs.output_directory import check_output, claim_output

OPTION = "--output"


class Sampler(Protocol):
    """The interface of a model that sentences can be drawn from."""

    vocabulary: Vocabulary | None

    def sample(
        self,
        number: int,
        *,
        temperature: float = 1.0,
        longest: int = 100,
        seed: int = 0,
        advance: Callable[[int], object] = lambda done: None,
    ) -> list[list[str]]:
        """The words of sentences."""


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """Options of the generate command.

    Args:
        number: of sentences.
        temperature: 1 for the model's own probabilities, less for likelier words.
        longest: words after which a sentence is cut off.
        seed: of the random numbers.
        output: a file for the sentences; None to print them.
    """

    number: int = 20
    temperature: float = 1.0
    longest: int = 100
    seed: int = 0
    output: Path | None = None


def generate(model: Sampler, data: Any, options: GenerateOptions) -> None:
    """Print or write sentences, one a line, and tell on stderr how long they are and how many the grammar accepts.

    Args:
        model: what is drawn from.
        data: a data module; one whose sentences a grammar makes has `accepts`.
        options: how many, and how.

    Raises:
        UserError: the model has no vocabulary, an option is out of range, or the file is not one of ours.
    """
    vocabulary_of(model)  # it has one
    if options.output is not None:
        check_output(options.output.parent, [options.output.name], OPTION)
    with progress() as bars:
        task = bars.add_task("drawing sentences", total=options.number)
        sentences = model.sample(
            options.number,
            temperature=options.temperature,
            longest=options.longest,
            seed=options.seed,
            advance=lambda done: bars.advance(task, done),
        )
    lines = [" ".join(words) for words in sentences]
    if options.output is None:
        for line in lines:
            print_line(line)
    else:
        claim_output(options.output.parent, [options.output.name], OPTION)
        write_atomically(options.output, "".join(f"{line}\n" for line in lines))
        print(f"{len(sentences):,} sentences in {options.output}")
    for line in _told(sentences, data, options):
        print_to_stderr(line)


def _told(sentences: Sequence[Sequence[str]], data: Any, options: GenerateOptions) -> list[str]:
    words = sum(map(len, sentences))
    cut = sum(len(sentence) >= options.longest for sentence in sentences)
    unknown = sum(sentence.count(UNK) for sentence in sentences)
    ends = f"; {cut:,} cut off after {options.longest} words" if cut else ""
    ends += f"; {unknown:,} times {UNK}" if unknown else ""
    lines = [f"{len(sentences):,} sentences, {words / len(sentences):.1f} words in the mean{ends}"]
    if hasattr(data, "accepts"):
        accepted = sum(data.accepts(sentences))
        lines.append(f"the grammar accepts {accepted:,} of {len(sentences):,} ({accepted / len(sentences):.1%})")
    return lines
