"""Logs how well the trees of a language model agree with a treebank during training."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from app.common.errors import UserError
from app.common.metrics import Metric, percentage
from app.common.precision import mixed_precision
from app.common.spelling import MIKOLOV
from app.parsing import BUILDERS, GoldSentence, score
from app.parsing.layers import MEAN, layer_trees
from app.parsing.tag_sets import TagChoice
from app.parsing.tree_files import write_trees
from app.parsing.treebank import read_treebank
from app.parsing.treebank_files import find_files
from app.parsing.treebank_options import TreebankOptions

TREES = "trees"


class ParseLogging(Callback):
    """Parses a treebank at validations and logs the sentence F1 of every layer, in percent, and a few trees.

    The module must have a method `distances(sentences)` and the number of their layers, `distance_layers`. Logged are
    `uf1_layer_1`, `uf1_layer_2`, ... (the F1 of the authors' script; Shen et al. 2019, Table 2), of further builders
    `uf1_layer_1_between_words`, ..., and a table `trees` in every logger that supports tables.

    Args:
        treebank: folder or file of a treebank; by default the `sentences` of the data module.
        split: which sentences of the treebank to parse; by default the treebank's default split.
        every: parse at every n-th validation, beginning with the first.
        builder: the algorithm that builds trees from distances, or several; the table has the trees of the first.
        sentences: parse only the first n sentences; by default all.
        trees: the number of trees to log.
        tags: the treebank's tag set, which says what is punctuation and what is no word: a name, a YAML file, or lists
            of tags; see `datamodules.WSJ`. By default it is recognised.
        lower_case: put the treebank's words into lower case; by default as the vocabulary has them.
        numbers: replace every run of digits by N; by default as the vocabulary has them.
        punctuation: keep the treebank's punctuation.
        labels: whether its bracketed trees have labels; by default their content decides.
        encoding: of its files, such as gb18030; by default UTF-8.

    Raises:
        UserError: an unknown builder, none or the same twice, a count that is too small, a split or another option of
            treebanks without a treebank, or no such tag set or encoding.
    """

    def __init__(
        self,
        treebank: str | None = None,
        split: str | None = None,
        every: int = 1,
        builder: str | list[str] = "shen2018",
        sentences: int | None = None,
        trees: int = 5,
        tags: TagChoice | None = None,
        lower_case: bool | None = None,
        numbers: bool | None = None,
        punctuation: bool = False,
        labels: bool | None = None,
        encoding: str | None = None,
    ) -> None:
        self._builders = [builder] if isinstance(builder, str) else list(builder)
        if not self._builders or len(set(self._builders)) < len(self._builders) or set(self._builders) - set(BUILDERS):
            several = " or several of these, each once" if isinstance(builder, list) else ""
            raise UserError(f"ParseLogging: builder is {builder!r}; expected one of {', '.join(BUILDERS)}{several}")
        for name, value, least in (("every", every, 1), ("sentences", sentences, 1), ("trees", trees, 0)):
            if value is not None and value < least:
                raise UserError(f"ParseLogging: {name} is {value}; expected {least} or more")
        if split is not None and treebank is None:
            raise UserError(
                f"ParseLogging: split is {split!r}, but no treebank is given; set treebank to the folder of one"
            )
        self.options = TreebankOptions(
            tags=tags,
            lower_case=lower_case,
            numbers=numbers,
            punctuation=punctuation,
            labels=labels,
            encoding=encoding,
        )
        self.options.tag_set()  # raises here if there is no such set
        if treebank is None and not self.options.are_default:
            raise UserError(
                "ParseLogging: tags, lower_case, numbers, punctuation, labels and encoding are for a treebank; set "
                "treebank to the folder of one"
            )
        self.treebank = treebank
        self.split = split
        self.every = every
        self.sentences = sentences
        self.trees = trees
        self._gold: Sequence[GoldSentence] = []
        self._validations = 0

    def metric_schema(self, module: LightningModule) -> list[Metric]:
        """The metrics that are logged for this module."""
        return [metric for builder in self._builders for metric in self._metrics_of(builder, module)]

    @cached_property
    def _uf1(self) -> str:
        """What is logged, in words: trees of Universal Dependencies are no constituents."""
        if self.treebank is None:
            return "UF1"
        try:
            files, _ = find_files(Path(self.treebank), self.options.codec)
        except UserError:  # `setup` says what is wrong
            return "UF1"
        return "UF1 of dependency subtrees" if any(file.format.dependencies for file in files) else "UF1"

    def _metrics_of(self, builder: str, module: LightningModule) -> list[Metric]:
        """UF1 of the trees that one builder makes, by layer."""
        layers = range(1, int(module.distance_layers) + 1)  # type: ignore[arg-type]
        if builder == self._builders[0]:
            return [percentage(f"uf1_layer_{layer}", f"{self._uf1}, layer {layer}") for layer in layers]
        return [
            percentage(f"uf1_layer_{layer}_{builder}", f"{self._uf1}, layer {layer}, {builder}", detail=True)
            for layer in layers
        ]

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not hasattr(pl_module, "distances"):
            raise UserError(
                f"ParseLogging: {type(pl_module).__name__} has no distances; use a language model that has them"
            )
        if stage == "fit" and (self.treebank is None or not self._gold):  # a treebank is read once
            self._gold = self._read(trainer)[: self.sentences]

    def _read(self, trainer: Trainer) -> Sequence[GoldSentence]:
        if self.treebank is not None:
            vocabulary = getattr(trainer.datamodule, "vocabulary", None)  # type: ignore[attr-defined]
            spelling = MIKOLOV if vocabulary is None else vocabulary.spelling
            treebank = read_treebank(Path(self.treebank), spelling, self.options)
            if treebank.notice:
                rank_zero_warn(treebank.notice)
            return treebank.split(self.split)
        sentences = getattr(trainer.datamodule, "sentences", None)  # type: ignore[attr-defined]
        if sentences is None:
            raise UserError("ParseLogging: the data has no gold trees; set treebank to the folder of one")
        return list(sentences)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == 0:
            self._validations = 0

    @override
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        due = self._validations % self.every == 0
        self._validations += 1
        # Only rank zero parses and logs.
        if not trainer.is_global_zero:
            return
        if not due:
            names = [metric.name for metric in self.metric_schema(pl_module)]
            pl_module.log_dict(dict.fromkeys(names, math.nan), rank_zero_only=True)
            return
        with mixed_precision(trainer):
            distances = self._distances(pl_module)
        for builder in self._builders:
            trees = layer_trees(distances, builder)
            for metric, layer in zip(self._metrics_of(builder, pl_module), trees, strict=False):
                pl_module.log(metric.name, 100 * score(trees[layer], self._gold).sentence_f1, rank_zero_only=True)
            if builder == self._builders[0]:
                self._log_trees(trainer, {"gold": [sentence.tree for sentence in self._gold]} | trees)

    def _distances(self, module: LightningModule) -> list[Tensor]:
        found: list[Tensor] = module.distances([sentence.words for sentence in self._gold])  # type: ignore[operator]
        return found

    def _log_trees(self, trainer: Trainer, trees: dict[str, Any]) -> None:
        columns = [name for name in trees if name != MEAN]
        rows = [
            [write_trees([(sentence.words, trees[name][number])]).strip() for name in columns]
            for number, sentence in enumerate(self._gold[: self.trees])
        ]
        for logger in trainer.loggers:
            if rows and hasattr(logger, "log_table"):
                logger.log_table(TREES, columns, rows, step=trainer.global_step)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"validations": self._validations}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._validations = state_dict["validations"]
