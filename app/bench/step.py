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

from app.bench.figures import Goal
from app.bench.rows import BenchRow, Comparison, Note, Share
from app.bench.sizes import ModelSize
from app.bench.step_breakdown import (
    BACKWARD,
    FORWARD,
    LastMark,
    MarkedModel,
    Marks,
    StepBreakdown,
    StepSeconds,
    Way,
)
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import enough
from app.cli.main import quiet
from app.modules import LanguageModel
from app.nets import ONLSTM
from app.nets.fused import bf16
from app.training.unprofiled import Unprofiled
from callbacks import NTASGD
from datamodules.windows import EvalWindowLoader

# As in configs/ptb.
CHUNK, LEARNING_RATE, DECAY, CLIPPED_TO, ALPHA, BETA = 10, 30.0, 1.2e-6, 0.25, 2.0, 1.0
WINDOWS = 64  # in the text
# How many times as fast as float32 the step is to be in bf16-mixed, by the instructions of its products.
GOALS = {"AMX": Goal(2.5, at_least=True), "AVX512_BF16": Goal(1.5, at_least=True)}

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


def steps(setting: Setting, size: ModelSize, turns: tuple[Way, ...]) -> dict[Way, list[StepSeconds]]:
    """Train on random words with the hooks of the Trainer, and time the steps.

    Args:
        setting: says how long to train.
        size: of the model.
        turns: how steps are computed, which take turns.

    Returns:
        The steps of each way.
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
    mixed = (Way.MIXED,) if bf16.instructions() else ()
    eager = (Way.EAGER,) if sizes.paper_before else ()
    found = [
        Task("training step, small", sizes.step_seconds, partial(_measure, setting, sizes.small, (*mixed, Way.EAGER))),
        Task("training step, paper", sizes.step_seconds, partial(_measure, setting, sizes.paper, (*mixed, *eager))),
    ]
    if not mixed:
        said = "bf16-mixed: not measured, its products are in float32 here"
        found.append(Task(said, 0, lambda: [Note(said)]))
    return found


SECTION = BenchSection(
    "step", "Language model's training step: ON-LSTM, 10,000 words; eager nets and plain loss beside", tasks
)


def _measure(setting: Setting, size: ModelSize, others: tuple[Way, ...]) -> Sequence[BenchRow]:
    found = steps(setting, size, (Way.FLOAT32, *others))
    times = {way: [sum(step.values()) for step in those] for way, those in found.items()}
    layers = ", ".join(map(str, size.layers))
    speed = partial(Comparison, count=setting.sizes.batch * setting.sizes.bptt, unit="tokens/s")
    what = f"{size.name}: {size.embedding}, layers {layers}; float32, against eager"
    rows: list[BenchRow] = [speed(what=what, ours=times[Way.FLOAT32], reference=times.get(Way.EAGER, ()))]
    if Way.MIXED in others:
        instructions = bf16.instructions() or ""
        what = f"{size.name}: bf16-mixed by {instructions}, against float32"
        goal = GOALS.get(instructions)
        rows.append(speed(what=what, ours=times[Way.MIXED], reference=times[Way.FLOAT32], goal=goal))
    for way in (Way.FLOAT32, Way.MIXED):
        if way in found:
            rows += [Note(f"{size.name}: shares of the step, {way}"), *shares(found[way])]
    return rows
