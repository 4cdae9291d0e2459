"""The training step of a language model of the Penn Treebank's size: its speed, and the time of its parts."""

import time
import warnings
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import TypeVar

import torch
from lightning.pytorch import Trainer
from torch.optim import SGD

from app.bench.rows import BenchRow, Comparison, Share
from app.bench.sizes import ModelSize
from app.bench.step_breakdown import BACKWARD, FORWARD, LastMark, MarkedModel, Marks, StepBreakdown, StepSeconds
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import enough
from app.cli.main import quiet
from app.modules import LanguageModel
from app.nets import ONLSTM
from app.training.unprofiled import Unprofiled
from callbacks import NTASGD
from datamodules.windows import EvalWindowLoader

# As in configs/ptb.
CHUNK, LEARNING_RATE, DECAY, CLIPPED_TO, ALPHA, BETA = 10, 30.0, 1.2e-6, 0.25, 2.0, 1.0
WINDOWS = 64  # in the text

Model = TypeVar("Model", bound=LanguageModel)


def model(kind: type[Model], size: ModelSize, words: int) -> Model:
    """The language model of a configuration.

    Args:
        kind: its class.
        size: of its layers, and its dropouts.
        words: of the vocabulary.
    """
    net = ONLSTM(size.embedding, size.layers, CHUNK, dropout=size.dropout, weight_dropout=size.weight_dropout)
    return kind(
        net,
        words,
        partial(SGD, lr=LEARNING_RATE, weight_decay=DECAY),
        dropout_embedding=size.dropout_embedding,
        dropout_input=size.dropout_input,
        dropout_output=size.dropout_output,
        alpha=ALPHA,
        beta=BETA,
    )


def steps(setting: Setting, size: ModelSize, turns: tuple[bool, ...]) -> dict[bool, list[StepSeconds]]:
    """Train on random words with the hooks of the Trainer, and time the steps.

    Args:
        setting: says how long to train.
        size: of the model.
        turns: whether a step computes by the unoptimised baseline, for steps that take turns.

    Returns:
        The steps of each turn.
    """
    quiet()
    sizes = setting.sizes
    torch.manual_seed(setting.seed)
    trained = model(MarkedModel, size, sizes.words)
    text = torch.randint(sizes.words, (WINDOWS * sizes.bptt + 1, sizes.batch))
    breakdown, averaging, began = StepBreakdown(), NTASGD(), time.perf_counter()

    def done(rounds: int) -> bool:
        setting.tick()
        return enough(rounds, time.perf_counter() - began, sizes.step_seconds)

    marks = Marks(breakdown, averaging, done, turns)
    trained.watch(breakdown)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=-1,
        gradient_clip_val=CLIPPED_TO,
        callbacks=[marks, averaging, LastMark(breakdown)],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        profiler=Unprofiled(),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You defined a `validation_step` but have no `val_dataloader`")
        trainer.fit(trained, train_dataloaders=EvalWindowLoader(text, sizes.bptt))
    return marks.steps


def shares(steps: Sequence[StepSeconds]) -> list[Share]:
    """The time of every part, in the order of the parts; together they are the whole step."""
    parts = dict.fromkeys(part for step in steps for part, _ in step)
    times = {
        (part, way): [step.get((part, way), 0.0) for step in steps] for part in parts for way in (FORWARD, BACKWARD)
    }
    whole = sum(map(median, times.values()))
    return [
        Share(what=part, forward=times[part, FORWARD], backward=times[part, BACKWARD], whole=whole) for part in parts
    ]


def tasks(setting: Setting) -> list[Task]:
    """The small model, then the paper's."""
    sizes = setting.sizes
    paper_turns = (False, True) if sizes.paper_before else (False,)
    return [
        Task("training step, small", sizes.step_seconds, partial(_measure, setting, sizes.small, (False, True))),
        Task("training step, paper", sizes.step_seconds, partial(_measure, setting, sizes.paper, paper_turns)),
    ]


SECTION = BenchSection(
    "step", "Language model's training step: ON-LSTM, 10,000 words, against eager nets and plain loss", tasks
)


def _measure(setting: Setting, size: ModelSize, turns: tuple[bool, ...]) -> Sequence[BenchRow]:
    found = steps(setting, size, turns)
    times = {turn: [sum(step.values()) for step in those] for turn, those in found.items()}
    layers = ", ".join(map(str, size.layers))
    speed = Comparison(
        what=f"{size.name}: {size.embedding}, layers {layers}",
        ours=times[False],
        reference=times.get(True, ()),
        count=setting.sizes.batch * setting.sizes.bptt,
        unit="tokens/s",
    )
    return [speed, *shares(found[False])]
