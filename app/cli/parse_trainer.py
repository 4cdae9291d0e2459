"""The subcommand `parse` of the Trainer: its options, and which of them go together."""

from pathlib import Path
from typing import cast

from lightning.pytorch import LightningDataModule, LightningModule

from app.cli.measuring_trainer import MeasuringTrainer
from app.commands.choose import Validation, choose
from app.commands.parse import ParseOptions, parse_text, parse_treebank
from app.commands.parse_input import parse_input
from app.commands.parse_lottery import parse_lottery
from app.commands.scored_trees import TreeModel
from app.common.errors import UserError
from app.common.precision import mixed_precision
from app.common.spelling import MIKOLOV
from app.common.vocabulary import Vocabulary
from app.parsing.tag_sets import TagChoice
from app.parsing.treebank_options import TreebankOptions
from app.training.measured_runs import score_table
from datamodules.gold_sentences import gold_sentences
from datamodules.validation_sentences import validation_sentences


class ParseTrainer(MeasuringTrainer):
    """A Trainer with the subcommand `parse`."""

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
        labels: bool | None = None,
        encoding: str | None = None,
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
            labels: whether the treebank's bracketed trees have labels; their content decides where it is left out.
            encoding: of the treebank's files, such as gb18030; UTF-8 where it is left out.
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
            raise UserError("--raw is for a text that --input names; add --input, or leave --raw out")
        if choose_on is not None and (text is not None or input is not None):
            raise UserError("--choose_on is for sentences with gold trees; leave it out with --text and --input")
        run = self.lottery_to_measure(text=text, input=input, output=output)
        checkpoint = self.context.checkpoint(ckpt_path) if run is None else None
        place = (run.root if checkpoint is None else checkpoint.parent) / "parse"  # type: ignore[union-attr]
        options = ParseOptions(output=Path(output) if output else place, layer=layer, builder=builder, draw=draw)
        self.load_weights(model, datamodule, checkpoint)
        if text is not None or input is not None:
            with mixed_precision(self):
                if text is not None:
                    parse_text(cast(TreeModel, model), text, options)
                else:
                    parse_input(cast(TreeModel, model), Path(cast(str, input)), options, raw=raw)
            return
        vocabulary: Vocabulary | None = getattr(model, "vocabulary", None)
        spelling = MIKOLOV if vocabulary is None else vocabulary.spelling
        reading = TreebankOptions(
            tags=tags,
            lower_case=lower_case,
            numbers=numbers,
            punctuation=punctuation,
            labels=labels,
            encoding=encoding,
        )
        title, gold = gold_sentences(datamodule, treebank, split, spelling, reading)
        if treebank is None and hasattr(datamodule, "vocabulary"):
            model.set_vocabulary(datamodule.vocabulary, "the data")  # type: ignore[operator]
        with mixed_precision(self):
            validation = None
            if choose_on is not None:
                division = validation_sentences(datamodule, treebank, choose_on, gold, spelling, reading)
                validation, gold = Validation(division.title, division.validation), division.test
                title += f", {len(gold):,} sentences to test on"
            if run is not None:
                config = self.context.config
                networks = parse_lottery(
                    cast(TreeModel, model), gold, options, run, config, source=title, validation=validation
                )
                self.log_networks(networks, score_table)
                return
            choice = None if validation is None else choose(cast(TreeModel, model), validation)
            whole = f"{checkpoint}, {title}"
            tables = parse_treebank(cast(TreeModel, model), gold, options, title=whole, source=title, choice=choice)
        self.log_tables(checkpoint, tables)
