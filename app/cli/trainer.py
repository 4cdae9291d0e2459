"""A Trainer whose extra methods are the extra subcommands that need a model."""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from rich.console import Console

from app import pruning as pure
from app.commands.parse import ParseOptions, Parser, parse_text, parse_treebank
from app.commands.syntax import TABLE, TABLE_COLUMNS, Judge, SyntaxOptions, judge_syntax
from app.common.errors import UserError
from app.common.files import remove_leftovers
from app.common.ranks import is_first
from app.lottery.experiment import Experiment
from app.lottery.plan import Plan
from app.lottery.settings import Pruning
from app.lottery.workers.limits import check_workers
from app.lottery.workers.parent import Superior
from app.runs.checkpoints import load_weights
from app.runs.config import claim
from app.runs.layout import FitLayout, RunLayout
from app.runs.lock import locked
from app.training.trainer_factory import TrainerFactory
from callbacks.trainer_state import refuse_strategy
from datamodules import InMemoryDataModule
from datamodules.gold_sentences import gold_sentences


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the command line knows and a Trainer does not.

    Args:
        seed: of the experiment.
        threads: torch's.
        experiment: name of the experiment and of its run directory.
        runs: directory of all experiments.
        checkpoint_seconds: how often a training in progress is saved.
        config: the whole parsed configuration, plain.
        make_trainer: a fresh Trainer from the configuration.
        make_loggers: fresh loggers from the configuration.
        superior: the process that this one is a worker of, if any.
    """

    seed: int
    threads: int
    experiment: str | None
    runs: Path
    checkpoint_seconds: float
    config: dict[str, Any]
    make_trainer: TrainerFactory
    make_loggers: Callable[[], list[Logger]]
    superior: Superior | None = None

    @property
    def root(self) -> Path:
        """Directory of the experiment.

        Raises:
            UserError: it has no name.
        """
        if self.experiment is None:
            raise UserError("--experiment is missing: the name of the run directory")
        return self.runs / self.experiment

    def checkpoint(self, path: str | None) -> Path:
        """The checkpoint that is meant: a path, "best" or "last" of the run directory; its best where none is named."""
        named = {None: "best", "best": "best", "last": "last"}.get(path)
        if path is not None and (named is None or self.experiment is None):
            return Path(path)
        return self.fit_layout.best if named == "best" else self.fit_layout.last

    @property
    def fit_layout(self) -> FitLayout:
        """Where `fit` writes."""
        return FitLayout(self.root / f"seed_{self.seed}")


class LotteryTrainer(Trainer):
    """Lightning's Trainer and our subcommands."""

    context: Context

    def lottery(
        self,
        model: LightningModule,
        datamodule: InMemoryDataModule,
        pruning: Pruning = Pruning(),  # noqa: B008 - frozen
    ) -> None:
        """Draw lottery tickets: train, prune, rewind, train again.

        Args:
            model: the module to prune.
            datamodule: what it is trained on.
            pruning: the lottery's options.
        """
        refuse_strategy(self)
        layout = RunLayout(self.context.root)
        iterations = self._iterations(datamodule)
        pure.select.check_kinds(pure.prunable_kinds(model), pruning.rates)
        pure.rewind_iteration(
            pruning.rewind_to, iterations=iterations, iterations_per_epoch=datamodule.iterations_per_epoch
        )
        check_workers(pruning, self, self.context.threads)
        if pruning.plan:
            self._print_plan(model, datamodule, pruning, layout, iterations)
            return
        experiment = self._experiment(model, datamodule, pruning, layout, iterations)
        if self.context.superior is not None:
            experiment.serve(self.context.superior)
        elif not is_first():
            experiment.draw()
        else:
            with locked(layout) as lock:
                remove_leftovers(layout.root)
                claim(layout, self.context.config)
                if pruning.workers > 1:
                    experiment.draw_side_by_side(lock)
                else:
                    experiment.draw()

    def _experiment(
        self,
        model: LightningModule,
        data: InMemoryDataModule,
        settings: Pruning,
        layout: RunLayout,
        iterations: int,
    ) -> Experiment:
        return Experiment(
            model=model,
            data=data,
            settings=settings,
            layout=layout,
            iterations=iterations,
            seed=self.context.seed,
            threads=self.context.threads,
            config=self.context.config,
            make_trainer=self.context.make_trainer,
            make_loggers=self.context.make_loggers,
            checkpoint_seconds=self.context.checkpoint_seconds,
        )

    def parse(
        self,
        model: LightningModule,
        datamodule: LightningDataModule,
        ckpt_path: str | None = None,
        treebank: str | None = None,
        split: str | None = None,
        text: str | None = None,
        layer: int | None = None,
        builder: str = "shen2018",
        draw: list[int] | None = None,
        output: str | None = None,
    ) -> None:
        """Score and draw the trees of a language model; `parse --score A B` scores two tree files.

        Args:
            model: a module that has distances.
            datamodule: its gold trees are used where no treebank is given.
            ckpt_path: the trained weights: a file, or best or last of the experiment's run directory; best where it is
                left out.
            treebank: folder with .mrg files.
            split: which of the treebank's sentences; section 23, or the whole sample, where it is left out.
            text: a sentence to parse and draw instead of a treebank.
            layer: which layer to draw, 1 the lowest; the one that agrees best where it is left out.
            builder: by which trees are drawn, shen2018 or between_words.
            draw: numbers of the sentences to draw, 1 the first; three of middle length where it is left out.
            output: directory of tables, trees and pictures; parse/ beside the checkpoint where it is left out.
        """
        if not hasattr(model, "distances"):
            raise UserError(f"{type(model).__name__} has no distances to parse by; parse takes a language model")
        checkpoint = self.context.checkpoint(ckpt_path)
        options = ParseOptions(
            output=Path(output) if output else checkpoint.parent / "parse", layer=layer, builder=builder, draw=draw
        )
        load_weights(model, checkpoint)
        model.to(self.strategy.root_device)
        if text is not None:
            parse_text(cast(Parser, model), text, options)
            return
        title, gold = gold_sentences(datamodule, treebank, split)
        if treebank is None and hasattr(datamodule, "vocabulary"):
            model.meet(datamodule.vocabulary, "the data")  # type: ignore[operator]
        parse_treebank(cast(Parser, model), gold, options, title=f"{checkpoint}, {title}")

    def syntax(
        self,
        model: LightningModule,
        datamodule: LightningDataModule,
        ckpt_path: str | None = None,
        pairs: str | None = None,
        templates: str | None = None,
        output: str | None = None,
    ) -> None:
        """Let a language model choose between sentences; `syntax --compare A B` shows the scores of several models.

        Args:
            model: a module that has log_probabilities.
            datamodule: its own templates are used where it has any, Marvin and Linzen's where it has none.
            ckpt_path: the trained weights: a file, or best or last of the experiment's run directory; best where it is
                left out.
            pairs: file of sentences of your own: grammatical, tab, ungrammatical.
            templates: file of templates of your own, in the format of app/syntax/marvin_linzen.txt.
            output: directory of tables and pictures; syntax/ beside the checkpoint where it is left out.
        """
        if not hasattr(model, "log_probabilities"):
            raise UserError(f"{type(model).__name__} has no log_probabilities; syntax takes a language model")
        checkpoint = self.context.checkpoint(ckpt_path)
        options = SyntaxOptions(
            output=Path(output) if output else checkpoint.parent / "syntax",
            name=self.context.experiment or str(checkpoint),
            pairs=Path(pairs) if pairs else None,
            templates=Path(templates) if templates else None,
        )
        stimuli = options.stimuli(datamodule)
        load_weights(model, checkpoint)
        model.to(self.strategy.root_device)
        rows = judge_syntax(cast(Judge, model), stimuli, options)
        for logger in self.loggers:
            if hasattr(logger, "log_table"):
                logger.log_table(TABLE, TABLE_COLUMNS, rows)

    def _iterations(self, data: InMemoryDataModule) -> int:
        """Length of every training, from max_steps and max_epochs."""
        if self.fast_dev_run:  # type: ignore[attr-defined]
            raise UserError(
                "trainer.fast_dev_run measures nothing to prune by; use a small --trainer.max_steps instead"
            )
        data.prepare_data()
        data.setup("fit")
        ends = [self.max_steps] if self.max_steps > 0 else []
        if self.max_epochs is not None and self.max_epochs > 0:
            ends.append(self.max_epochs * data.iterations_per_epoch)
        if not ends:
            raise UserError("a training has no length; set trainer.max_steps")
        return min(ends)

    def _print_plan(
        self, model: LightningModule, data: InMemoryDataModule, settings: Pruning, layout: RunLayout, iterations: int
    ) -> None:
        every = int(self.val_check_interval) if isinstance(self.val_check_interval, int) else data.iterations_per_epoch
        measured = min(iterations, 2 * every)
        plan = Plan(
            settings=settings,
            sizes=pure.weight_sizes(model),
            kinds=pure.prunable_kinds(model),
            state_bytes=sum(value.numel() * value.element_size() for value in model.state_dict().values()),
            iterations=iterations,
            rows=1 + math.ceil(iterations / every),
            seconds=self._seconds(model, data, measured) / measured * iterations,
            finished=frozenset(key for key in settings.networks() if layout.network(key).done.exists()),
        )
        if is_first():
            Console().print(plan.render())

    def _seconds(self, model: LightningModule, data: InMemoryDataModule, iterations: int) -> float:
        """Time of a first stretch of training, thrown away."""
        with tempfile.TemporaryDirectory() as root:
            trainer = self.context.make_trainer(Path(root), [], [], max_steps=iterations)
            began = time.monotonic()
            trainer.fit(model, datamodule=data)
            return time.monotonic() - began
