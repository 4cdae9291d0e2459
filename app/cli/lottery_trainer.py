"""A Trainer whose extra methods are the extra subcommands that need a model."""

from pathlib import Path
from typing import cast

from lightning.pytorch import LightningDataModule, LightningModule

from app.cli.parse_trainer import ParseTrainer
from app.commands.generate import GenerateOptions, Sampler, generate
from app.commands.states import StateModel, write_states
from app.commands.suites import score_suites
from app.commands.surprisal import Reader, SurprisalOptions, measure_surprisal
from app.commands.syntax import TABLE, TABLE_COLUMNS, SentenceScorer, SyntaxOptions, read_table, score_syntax
from app.commands.syntax_lottery import syntax_lottery
from app.common.errors import UserError
from app.common.precision import mixed_precision
from app.lottery.command import run_lottery
from app.lottery.settings import Pruning


class LotteryTrainer(ParseTrainer):
    """Lightning's Trainer and our subcommands."""

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
        run = self.lottery_to_measure(suites=suites, output=output)
        checkpoint = self.context.checkpoint(ckpt_path) if run is None else None
        place = (run.root if checkpoint is None else checkpoint.parent) / "syntax"  # type: ignore[union-attr]
        directory = Path(output) if output else place
        if suites is not None:
            if pairs is not None or templates is not None:
                raise UserError("--suites and --pairs or --templates are both given; choose one")
            self.load_weights(model, datamodule, checkpoint)
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
        self.load_weights(model, datamodule, checkpoint)
        with mixed_precision(self):
            if run is not None:
                scorer = cast(SentenceScorer, model)
                networks = syntax_lottery(scorer, stimuli, run, self.context.config, own=pairs is not None)
                self.log_networks(networks, read_table)
                return
            rows = score_syntax(cast(SentenceScorer, model), stimuli, options)
        self.log_tables(checkpoint, {TABLE: (TABLE_COLUMNS, rows)})

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
        self.load_weights(model, datamodule, checkpoint)
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
        self.load_weights(model, datamodule, self.context.checkpoint(ckpt_path))
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
        self.load_weights(model, datamodule, self.context.checkpoint(ckpt_path))
        with mixed_precision(self):
            write_states(cast(StateModel, model), Path(input), Path(output), raw=raw)
