"""A Trainer whose extra methods are the extra subcommands that need a model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from app.cli.context import Context
from app.commands.choose import choose
from app.commands.generate import GenerateOptions, Sampler, generate
from app.commands.parse import ParseOptions, parse_text, parse_treebank
from app.commands.parse_input import parse_input
from app.commands.parse_lottery import parse_lottery
from app.commands.scored_trees import TreeModel
from app.commands.states import StateModel, write_states
from app.commands.suites import score_suites
from app.commands.surprisal import Reader, SurprisalOptions, measure_surprisal
from app.commands.syntax import TABLE, TABLE_COLUMNS, SentenceScorer, SyntaxOptions, read_table, score_syntax
from app.commands.syntax_lottery import syntax_lottery
from app.common.errors import UserError
from app.common.loading import LOGGING, said_meanwhile
from app.common.precision import mixed_precision
from app.common.ranks import is_first
from app.common.spelling import MIKOLOV
from app.common.vocabulary import Vocabulary
from app.lottery.command import run_lottery
from app.lottery.settings import Pruning
from app.parsing.tag_sets import TagChoice
from app.parsing.treebank_options import TreebankOptions
from app.runs.checkpoints import load_weights
from app.runs.layout import RunLayout
from app.runs.measured_networks import MeasuredNetworks
from app.training.measured_runs import Table, log_measured_networks, score_table
from app.training.trained_run import trained_run
from datamodules.gold_sentences import gold_sentences
from datamodules.validation_sentences import validation_sentences


class LotteryTrainer(Trainer):
    """Lightning's Trainer and our subcommands."""

    context: Context

    def lottery(
        self,
        model: LightningModule,
        datamodule: LightningDataModule,
        pruning: Pruning = Pruning(),  # noqa: B008 - frozen
    ) -> None:
        """Draw lottery tickets: train, prune, rewind, train again.

        Args:
            model: the module to prune.
            datamodule: what it is trained on.
            pruning: the lottery's options.
        """
        run_lottery(self, model, datamodule, pruning, self.context)

    def parse(
        self,
        model: LightningModule,
        datamodule: LightningDataModule,
        ckpt_path: str | None = None,
        treebank: str | None = None,
        split: str | None = None,
        choose_on: str | None = None,
        tags: TagChoice | None = None,
        lower_case: bool | None = None,
        numbers: bool | None = None,
        punctuation: bool = False,
        text: str | None = None,
        input: str | None = None,
        raw: bool = False,
        layer: int | None = None,
        builder: str = "shen2018",
        draw: list[int] | None = None,
        output: str | None = None,
    ) -> None:
        """Score and draw the trees of a language model, or of all in a lottery; `parse --score A B` scores two files.

        Args:
            model: a module that has distances.
            datamodule: its gold trees are used where no treebank is given.
            ckpt_path: the trained weights: a file, or best or last of the experiment's run directory; best where it is
                left out.
            treebank: folder or file of a treebank: bracketed trees, the NEGRA export format, or CoNLL-U.
            split: which of the treebank's sentences; section 23, or all of the sample or of another treebank, where
                it is left out.
            choose_on: validation trees on which a layer and a builder are chosen, to be scored on the others: a split
                of the treebank, another treebank, a number of sentences that are taken from the treebank's beginning,
                or valid, the validation sentences of the data.
            tags: the treebank's tag set, which says what is punctuation and what is no word: penn, ontonotes, ctb,
                stts, french, ud, characters, a YAML file, or lists of tags {punctuation: [...], empty: [...]};
                recognised where it is left out.
            lower_case: put the treebank's words into lower case; as the vocabulary has them where it is left out.
            numbers: replace every run of digits of the treebank by N; as the vocabulary has them where it is left out.
            punctuation: keep the treebank's punctuation.
            text: a sentence to parse and draw instead of a treebank.
            input: a text file to parse instead of a treebank, a sentence a line.
            raw: the input is running text: its sentences have to be found, and draw names them by their numbers.
            layer: which layer to draw, 1 the lowest; the one that agrees best where it is left out.
            builder: by which trees are drawn, shen2018 or between_words.
            draw: numbers of the sentences to draw, 1 the first, or lines of the input; three of middle length of a
                treebank where it is left out.
            output: directory of tables, trees and pictures; parse/ beside the checkpoint where it is left out.
        """
        if not hasattr(model, "distances"):
            raise UserError(f"{type(model).__name__} has no distances to parse by; parse takes a language model")
        given = [
            name for name, value in (("treebank", treebank), ("text", text), ("input", input)) if value is not None
        ]
        if len(given) > 1:
            raise UserError(f"--{given[0]} and --{given[1]} are both given; choose one")
        if raw and input is None:
            raise UserError("--raw is for a text that --input names")
        if choose_on is not None and (text is not None or input is not None):
            raise UserError("--choose_on is for sentences with gold trees; leave it out with --text and --input")
        run = self._lottery(text=text, input=input, output=output, choose_on=choose_on)
        checkpoint = self.context.checkpoint(ckpt_path) if run is None else None
        place = (run.root if checkpoint is None else checkpoint.parent) / "parse"  # type: ignore[union-attr]
        options = ParseOptions(output=Path(output) if output else place, layer=layer, builder=builder, draw=draw)
        self._load(model, datamodule, checkpoint)
        if text is not None or input is not None:
            with mixed_precision(self):
                if text is not None:
                    parse_text(cast(TreeModel, model), text, options)
                else:
                    parse_input(cast(TreeModel, model), Path(cast(str, input)), options, raw=raw)
            return
        vocabulary: Vocabulary | None = getattr(model, "vocabulary", None)
        spelling = MIKOLOV if vocabulary is None else vocabulary.spelling
        reading = TreebankOptions(tags=tags, lower_case=lower_case, numbers=numbers, punctuation=punctuation)
        title, gold = gold_sentences(datamodule, treebank, split, spelling, reading)
        if treebank is None and hasattr(datamodule, "vocabulary"):
            model.set_vocabulary(datamodule.vocabulary, "the data")  # type: ignore[operator]
        with mixed_precision(self):
            if run is not None:
                networks = parse_lottery(cast(TreeModel, model), gold, options, run, self.context.config)
                self._log_networks(networks, score_table)
                return
            choice = None
            if choose_on is not None:
                division = validation_sentences(datamodule, treebank, choose_on, gold, spelling, reading)
                choice, gold = choose(cast(TreeModel, model), division.validation, division.title), division.test
                title += f", {len(gold):,} sentences to test on"
            whole = f"{checkpoint}, {title}"
            tables = parse_treebank(cast(TreeModel, model), gold, options, title=whole, source=title, choice=choice)
        self._log_tables(checkpoint, tables)

    def syntax(
        self,
        model: LightningModule,
        datamodule: LightningDataModule,
        ckpt_path: str | None = None,
        pairs: str | None = None,
        templates: str | None = None,
        suites: str | None = None,
        output: str | None = None,
    ) -> None:
        """Let a language model, or all of a lottery, choose between sentences; `syntax --compare A B` compares scores.

        Args:
            model: a module that has log_probabilities.
            datamodule: its own templates are used where it has any, Marvin and Linzen's where it has none.
            ckpt_path: the trained weights: a file, or best or last of the experiment's run directory; best where it is
                left out.
            pairs: file of sentences of your own: grammatical, tab, ungrammatical; or BLiMP's: a file of JSON lines, or
                a folder of such files.
            templates: file of templates of your own, in the format of app/syntax/marvin_linzen.txt.
            suites: a suite of SyntaxGym, or a folder of suites, whose predictions are scored instead of pairs.
            output: directory of tables and pictures; syntax/ beside the checkpoint where it is left out.
        """
        if not hasattr(model, "log_probabilities"):
            raise UserError(f"{type(model).__name__} has no log_probabilities; syntax takes a language model")
        run = self._lottery(suites=suites, output=output)
        checkpoint = self.context.checkpoint(ckpt_path) if run is None else None
        place = (run.root if checkpoint is None else checkpoint.parent) / "syntax"  # type: ignore[union-attr]
        directory = Path(output) if output else place
        if suites is not None:
            if pairs is not None or templates is not None:
                raise UserError("--suites and --pairs or --templates are both given; choose one")
            self._load(model, datamodule, checkpoint)
            with mixed_precision(self):
                score_suites(cast(Reader, model), Path(suites), directory, self.context.experiment or str(checkpoint))
            return
        options = SyntaxOptions(
            output=directory,
            name=self.context.experiment or str(checkpoint),
            pairs=Path(pairs) if pairs else None,
            templates=Path(templates) if templates else None,
        )
        stimuli = options.stimuli(datamodule)
        self._load(model, datamodule, checkpoint)
        with mixed_precision(self):
            if run is not None:
                scorer = cast(SentenceScorer, model)
                networks = syntax_lottery(scorer, stimuli, run, self.context.config, own=pairs is not None)
                self._log_networks(networks, read_table)
                return
            rows = score_syntax(cast(SentenceScorer, model), stimuli, options)
        self._log_tables(checkpoint, {TABLE: (TABLE_COLUMNS, rows)})

    def surprisal(
        self,
        model: LightningModule,
        datamodule: LightningDataModule,
        input: str,
        ckpt_path: str | None = None,
        raw: bool = False,
        carry: bool = False,
        draw: list[int] | None = None,
        output: str | None = None,
    ) -> None:
        """The surprisal of each word of a text to a language model, in bits, and the entropy of the next.

        Args:
            model: a module that has readings.
            datamodule: names the words where the weights do not.
            input: a text file, a sentence a line; blank lines separate texts, tabs the regions of a sentence.
            ckpt_path: the trained weights: a file, or best or last of the experiment's run directory; best where it is
                left out.
            raw: the input is running text: its sentences have to be found, and draw names them by their numbers.
            carry: carry the model's state from sentence to sentence of a text; each is read by itself where it is left
                out.
            draw: lines of the file to draw in one picture.
            output: directory of tables and pictures; surprisal/ beside the checkpoint where it is left out.
        """
        if not hasattr(model, "readings"):
            raise UserError(f"{type(model).__name__} has no readings; surprisal takes a language model")
        checkpoint = self.context.checkpoint(ckpt_path)
        self._load(model, datamodule, checkpoint)
        options = SurprisalOptions(
            input=Path(input),
            output=Path(output) if output else checkpoint.parent / "surprisal",
            carry=carry,
            draw=draw or (),
            raw=raw,
        )
        with mixed_precision(self):
            measure_surprisal(cast(Reader, model), options)

    def generate(
        self,
        model: LightningModule,
        datamodule: LightningDataModule,
        ckpt_path: str | None = None,
        number: int = 20,
        temperature: float = 1.0,
        longest: int = 100,
        seed: int = 0,
        output: str | None = None,
    ) -> None:
        """Sentences drawn from a language model, and how many of them its grammar accepts, where it has one.

        Args:
            model: a module that can sample.
            datamodule: names the words where the weights do not; its grammar judges the sentences.
            ckpt_path: the trained weights: a file, or best or last of the experiment's run directory; best where it is
                left out.
            number: of sentences.
            temperature: 1 for the model's own probabilities, less for likelier words.
            longest: words after which a sentence is cut off.
            seed: of the random numbers.
            output: a file for the sentences; they are printed where it is left out.
        """
        if not hasattr(model, "sample"):
            raise UserError(f"{type(model).__name__} cannot sample; generate takes a language model")
        self._load(model, datamodule, self.context.checkpoint(ckpt_path))
        options = GenerateOptions(
            number=number,
            temperature=temperature,
            longest=longest,
            seed=seed,
            output=Path(output) if output else None,
        )
        with mixed_precision(self):
            generate(cast(Sampler, model), datamodule, options)

    def states(
        self,
        model: LightningModule,
        datamodule: LightningDataModule,
        input: str,
        output: str,
        ckpt_path: str | None = None,
        raw: bool = False,
    ) -> None:
        """The hidden states of all layers for every word of a text, as safetensors.

        Args:
            model: a module that has hidden_states.
            datamodule: names the words where the weights do not.
            input: a text file, a sentence a line.
            output: the file to be written.
            ckpt_path: the trained weights: a file, or best or last of the experiment's run directory; best where it is
                left out.
            raw: the input is running text: its sentences have to be found.
        """
        if not hasattr(model, "hidden_states"):
            raise UserError(f"{type(model).__name__} has no hidden_states; states takes a language model")
        self._load(model, datamodule, self.context.checkpoint(ckpt_path))
        with mixed_precision(self):
            write_states(cast(StateModel, model), Path(input), Path(output), raw=raw)

    def _lottery(self, **of_one: str | None) -> RunLayout | None:
        """The lottery all of whose networks are meant; None for one network.

        Args:
            of_one: options that make sense for one network only, by name.

        Raises:
            UserError: one of these is given for a lottery.
        """
        run = self.context.lottery
        for name, value in of_one.items() if run is not None else ():
            if value is not None:
                raise UserError(
                    f"--{name} is for one network, and {run.root} is a lottery; name one of its networks"  # type: ignore[union-attr]
                )
        return run

    def _log_tables(self, checkpoint: Path | None, tables: Mapping[str, tuple[list[str], list[list[Any]]]]) -> None:
        """Log tables, by name, to the W&B run of the training and to the loggers that take one.

        Others may be there for `fit` with the same configuration.
        """
        for log_table in (logger.log_table for logger in self.loggers if hasattr(logger, "log_table")):
            for name, (columns, rows) in tables.items():
                log_table(name, columns, [[_plain(cell) for cell in row] for row in rows])
        if checkpoint is None or not self.context.logs_to_training:
            return
        with said_meanwhile(LOGGING), trained_run(checkpoint) as run:
            if run is not None:
                for name, (columns, rows) in tables.items():
                    run.log_table(name, columns, rows)

    def _log_networks(self, networks: MeasuredNetworks, read: Callable[[Path], Table]) -> None:
        """Log what was measured of a lottery to the W&B runs of its networks."""
        if self.context.logs_to_training and is_first():
            with said_meanwhile(LOGGING):
                log_measured_networks(networks, read)

    def _load(self, model: LightningModule, data: LightningDataModule, weights: Path | None) -> None:
        """Put trained weights into a language model, and its words where these do not come with them.

        Args:
            model: the language model.
            data: what it was trained on.
            weights: a checkpoint or a final.safetensors; None where weights will be loaded later.
        """
        if weights is not None:
            load_weights(model, weights)
        if getattr(model, "vocabulary", None) is None and (weights is None or weights.suffix == ".safetensors"):
            data.prepare_data()
            data.setup("predict")
            if hasattr(data, "vocabulary"):
                model.set_vocabulary(data.vocabulary, "the data")  # type: ignore[operator]
        model.to(self.strategy.root_device)


def _plain(cell: Any) -> Any:
    """What a logger can take in a table that knows no pictures by their path."""
    return str(cell) if isinstance(cell, Path) else cell
