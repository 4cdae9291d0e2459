"""An epoch of the paper's language model on a GPU: through Lightning's hooks, and in a bare loop."""

import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from app.bench.figures import Goal, yes_or_no
from app.bench.rows import BenchRow, Comparison, Note
from app.bench.sizes import PAPER, ModelSize
from app.bench.step import CLIPPED_TO, LEARNING_RATE, model
from app.bench.tasks import Setting, Task
from app.cli.main import quiet
from app.modules import LanguageModel
from app.training.unprofiled import Unprofiled
from callbacks import NTASGD
from datamodules.windows import WindowLoader

WORDS_OF_PTB = 929_589  # of its training text
PRECISIONS = {"float32": "highest", "TF32": "high", "bf16-mixed": "highest"}
EPOCH_GOAL, EAGER_GOAL, HOOKS_GOAL = Goal(7.0), Goal(1 / 8), Goal(1.1)
EAGER_WINDOWS = 6
QUICK_PARTS = 4  # a quick benchmark reads one of so many parts of the text
WARM_UP = 40  # windows, in which most lengths occur


def bare_loop(module: LanguageModel, windows: Iterator[Any], device: str, precision: str) -> None:
    """Train without Lightning: forward, backward, clip, SGD; the learning rate by the length of the window."""
    module.train()
    module.on_train_start()
    optimizer = module.optimizer(module.parameters())
    for number, window in enumerate(windows):
        module.on_train_batch_start(window, number)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = module.training_step(window, number)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(module.parameters(), CLIPPED_TO)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * window.drawn / window.bptt
        optimizer.step()
        optimizer.zero_grad()


class _Clock(Callback):
    """Times the windows after the warm-up."""

    def __init__(self, warm_up: int, wait: Callable[[], object]) -> None:
        self.warm_up, self.wait, self.began, self.seconds = warm_up, wait, 0.0, 0.0

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx == self.warm_up:
            self.wait()
            self.began = time.perf_counter()

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.wait()
        self.seconds = time.perf_counter() - self.began


def through_lightning(module: LanguageModel, loader: Any, device: str, precision: str, warm_up: int) -> float:
    """Train for an epoch with a Trainer as `fit` has it, and return the seconds of all windows but the first ones."""
    quiet()
    wait = waiting(device)
    clock = _Clock(warm_up, wait)
    trainer = Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        max_epochs=1,
        precision="bf16-mixed" if precision == "bf16-mixed" else "32-true",
        gradient_clip_val=CLIPPED_TO,
        callbacks=[NTASGD(), clock],
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
        trainer.fit(module, train_dataloaders=loader)
    return clock.seconds


def waiting(device: str) -> Callable[[], object]:
    """Waits until a device has nothing left to do."""
    return torch.cuda.synchronize if device == "cuda" else lambda: None


def tasks(setting: Setting) -> list[Task]:
    """An epoch in each precision, with some windows by the eager path."""
    return [Task(f"epoch on the GPU, {precision}", 30, partial(_epoch, setting, precision)) for precision in PRECISIONS]


def _epoch(setting: Setting, precision: str) -> Sequence[BenchRow]:
    sizes = setting.sizes
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(PRECISIONS[precision])
    try:
        parts = 1 if sizes.paper_before else QUICK_PARTS
        rows = WORDS_OF_PTB // sizes.batch // parts
        return measure(setting, precision, "cuda", PAPER, sizes.words, rows, WARM_UP, parts)
    finally:
        torch.set_float32_matmul_precision(before)


def measure(
    setting: Setting, precision: str, device: str, size: ModelSize, words: int, rows: int, warm_up: int, parts: int = 1
) -> list[BenchRow]:
    """Time an epoch through Lightning and in a bare loop, and a few windows of the eager layers and plain loss.

    Args:
        setting: has the seed, batch and bptt.
        precision: one of `PRECISIONS`.
        device: "cuda", or "cpu" for a test.
        size: of the model.
        words: V.
        rows: of the text.
        warm_up: windows that do not count.
        parts: of an epoch, of which the text is one.
    """
    sizes = setting.sizes
    wait = waiting(device)
    torch.manual_seed(setting.seed)
    text = torch.randint(words, (rows, sizes.batch), device=device)

    def loader() -> WindowLoader:
        return WindowLoader(text, sizes.bptt, seed=setting.seed)

    windows = len(loader().lengths(0))
    module = model(LanguageModel, size, words).to(device)

    def bare(count: int, implementation: str = "fused") -> float:
        module.net.implementation = implementation  # type: ignore[assignment]
        stream = iter(loader())
        bare_loop(module, itertools.islice(stream, min(warm_up, count)), device, precision)
        wait()
        began = time.perf_counter()
        bare_loop(module, itertools.islice(stream, count), device, precision)
        wait()
        return time.perf_counter() - began

    counted = windows - warm_up
    alone = bare(counted) * windows / counted
    setting.tick()
    eager = bare(min(EAGER_WINDOWS, counted), "eager") * windows / min(EAGER_WINDOWS, counted)
    setting.tick()
    module.net.implementation = "fused"
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    whole = through_lightning(module, loader(), device, precision, warm_up) * windows / counted
    rows_: list[BenchRow] = [
        Comparison(
            what=f"{precision} epoch of {windows} windows, against the bare loop",
            ours=[whole],
            reference=[alone],
            goal=HOOKS_GOAL,
        ),
        Comparison(what=f"{precision} epoch, against eager layers", ours=[whole], reference=[eager], goal=EAGER_GOAL),
    ]
    verdict = yes_or_no(EPOCH_GOAL.met(whole * parts))
    memory = f"; {torch.cuda.max_memory_allocated() / 2**20:,.0f} MB at most" if device == "cuda" else ""
    rows_.append(
        Note(f"{precision}: {whole * parts:.2f} s an epoch through Lightning; goal {EPOCH_GOAL} s: {verdict}{memory}")
    )
    return rows_
