"""Iterations without hooks change nothing: weights, states, checkpoints and rows are those of a training with hooks."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import CLASSES, FEATURES, HIDDEN, Probe, TinyData, same, tiny_trainer, weights, with_validation
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.profilers import SimpleProfiler
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from app.common.errors import Interrupted, RunError
from app.common.quiet_iterations import train_quietly
from app.modules import Classifier
from app.nets import feedforward
from app.training.quiet import Quiet
from app.training.unprofiled import Unprofiled
from callbacks import (
    FixedLearningRates,
    IterativePruningCallback,
    LastLearningRates,
    MetricsRecorder,
    ResumeCheckpoint,
    StopOnNonFinite,
)
from callbacks.reported_progress import ReportedProgress
from datamodules import TensorLoader

pytestmark = [
    pytest.mark.skipif(feedforward.library() is None, reason="no C++ compiler"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
]
STEPS, EVERY = 38, 5  # TinyData's epochs have 7 batches, the last of 2 rows
NAMES = ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"]


def fused_adam(parameters: Any) -> Adam:
    return Adam(parameters, lr=0.03, fused=True)


def momentum(parameters: Any) -> SGD:
    return SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)


def classifier(optimizer: Any = fused_adam, scheduler: Any = None, **arguments: Any) -> Classifier:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    return Classifier(net, optimizer, scheduler, num_classes=CLASSES, **arguments)


class Rows(list):
    def cut(self, rows: int) -> None:
        del self[rows:]

    def sync(self) -> None:
        pass


class Counted(Quiet):
    """Counts the iterations without hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[int] = []
        self._trainer: Any = None

    def prepare(self, trainer: Trainer) -> Quiet | None:
        self._trainer = trainer
        return super().prepare(trainer)

    def __call__(self, batch: Any) -> Tensor | None:
        loss = super().__call__(batch)
        if loss is not None:
            self.at.append(self._trainer.global_step + 1)
        return loss


class Run:
    """A training, with hooks around every iteration or only where somebody listens."""

    def __init__(
        self,
        callbacks: Sequence[Callback] = (),
        *,
        quietly: bool = True,
        module: LightningModule | None = None,
        data: TinyData | None = None,
        start: Path | None = None,
        rows: Rows | None = None,
        **arguments: Any,
    ) -> None:
        self.rows, self.quiet, self.module = Rows() if rows is None else rows, Counted(), module or classifier()
        recorder = MetricsRecorder(self.rows, NAMES)
        options = with_validation(EVERY, max_steps=STEPS, profiler=Unprofiled()) | arguments
        self.trainer = tiny_trainer([recorder, *callbacks], **options)
        if quietly:
            train_quietly(self.trainer, self.quiet.prepare)
        self.error: BaseException | None = None
        try:
            self.trainer.fit(self.module, data or TinyData(), ckpt_path=start)
        except (Interrupted, RunError) as error:
            self.error = error

    def checkpoint(self) -> dict[str, Any]:
        return copy.deepcopy(self.trainer._checkpoint_connector.dump_checkpoint())


def plain(value: Any) -> Any:
    """A checkpoint in values that can be compared."""
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), value.detach().numpy().tobytes()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items() if key not in ("seconds", "validation_seconds")}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def assert_same(make: Callable[[bool], Run]) -> Run:
    """A training without hooks ends as one with them, and has had iterations without."""
    with_hooks, without = make(False), make(True)
    assert not with_hooks.quiet.at
    assert without.quiet.at
    assert same(weights(with_hooks.module), weights(without.module))
    assert repr(with_hooks.rows) == repr(without.rows)
    one, other = plain(with_hooks.checkpoint()), plain(without.checkpoint())
    assert one.keys() == other.keys()
    for name in one:
        assert one[name] == other[name], name
    return without


@pytest.mark.parametrize("optimizer", [fused_adam, momentum, SGD], ids=["fused Adam", "momentum", "SGD"])
def test_a_training_is_the_same(optimizer: Any) -> None:
    run = assert_same(lambda quietly: Run(module=classifier(optimizer), quietly=quietly))
    validated = set(range(EVERY, STEPS + 1, EVERY))
    first, last = ({each for each in range(1, STEPS + 1) if each % 7 == rest} for rest in (1, 0))
    assert set(run.quiet.at) == set(range(1, STEPS)) - validated - first - last


def test_every_optimiser_is_as_in_plain_pytorch() -> None:
    """In float64 to 1e-10, by a loop that has nothing of ours."""
    for optimizer in (fused_adam, momentum, SGD, Adam):
        module = classifier(optimizer).double()
        data = TinyData(dtype=torch.float64)
        net = copy.deepcopy(module.net)
        run = Run(module=module, data=data)
        assert run.quiet.at
        its, loader = optimizer(net.parameters()), data.train_dataloader()
        batches = [batch for _ in range(6) for batch in loader]
        for images, labels in batches[:STEPS]:
            its.zero_grad()
            nn.functional.cross_entropy(net(images), labels).backward()
            its.step()
        for name, value in net.state_dict().items():
            torch.testing.assert_close(module.net.state_dict()[name], value, rtol=1e-10, atol=1e-10)


def ticket(density: float = 0.4, **arguments: Any) -> IterativePruningCallback:
    found = IterativePruningCallback(**arguments)
    generator = torch.Generator().manual_seed(3)
    shapes = {"net.0.weight": (HIDDEN, FEATURES), "net.2.weight": (CLASSES, HIDDEN)}
    found.adopt({name: torch.rand(shape, generator=generator) < density for name, shape in shapes.items()}, round=1)
    return found


@pytest.mark.parametrize("optimizer", [fused_adam, momentum, Adam], ids=["fused Adam", "momentum", "Adam"])
def test_masked_weights_stay_at_zero(optimizer: Any) -> None:
    run = assert_same(lambda quietly: Run([ticket()], module=classifier(optimizer), quietly=quietly))
    for name, mask in ticket().masks.items():
        assert not run.module.get_parameter(name)[~mask].any()
        assert run.module.get_parameter(name)[mask].any()


@pytest.mark.parametrize("moment", ["0it", "1it", "6it", "13it", "2ep"])
def test_the_rewind_point_is_that_of_its_iteration(moment: str) -> None:
    points = []
    for quietly in (False, True):
        callback = IterativePruningCallback(rewind_to=moment)
        Run([callback], quietly=quietly)
        points.append(callback.rewind_point)
    assert points[0]
    assert same(*points)


def test_scores_that_need_a_batch_have_the_first() -> None:
    found = []
    for quietly in (False, True):
        callback = ticket(score="snip")
        assert bool(Run([callback], quietly=quietly).quiet.at) == quietly
        found.append(callback.first_batch)
    assert all(map(torch.equal, *found))


def halving(optimizer: Any) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 0.9**step)


def test_schedulers_step_and_gradients_are_clipped() -> None:
    run = assert_same(
        lambda quietly: Run(module=classifier(momentum, halving), quietly=quietly, gradient_clip_val=0.05)
    )
    assert run.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.9**STEPS)
    free = Run(module=classifier(momentum, halving))
    assert not same(weights(run.module), weights(free.module)), "nothing was clipped"
    assert_same(
        lambda quietly: Run(
            module=classifier(momentum), quietly=quietly, gradient_clip_val=0.01, gradient_clip_algorithm="value"
        )
    )


class Plateau(Classifier):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
        return [optimizer], [{"scheduler": scheduler, "interval": "step", "frequency": EVERY, "monitor": "val_loss"}]


def test_a_subclass_of_a_classifier_has_its_hooks() -> None:
    net = classifier().net
    run = Run(module=Plateau(net, momentum, num_classes=CLASSES))
    assert not run.quiet.at
    assert run.trainer.global_step == STEPS


def test_learning_rates_that_are_set_by_callbacks() -> None:
    run = assert_same(lambda quietly: Run([FixedLearningRates([[0.007]]), LastLearningRates()], quietly=quietly))
    assert run.trainer.callbacks[2].rates == [[0.007]]
    scheduled = Run([FixedLearningRates([[0.007]])], module=classifier(momentum, halving))
    assert not scheduled.quiet.at, "a scheduler changes the rate after every iteration"


LISTENERS: dict[str, Callable[[], dict[str, Any]]] = {
    **{
        name: lambda name=name: {"callbacks": [type("Mine", (Callback,), {name: lambda self, *_: None})()]}
        for name in (
            *("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad"),
            *("on_before_backward", "on_after_backward", "on_before_optimizer_step"),
        )
    },
    "of an object": lambda: {"callbacks": [Probe(on_train_batch_end=lambda *_: None)]},
    "a subclass of one of ours": lambda: {
        "callbacks": [type("Mine", (StopOnNonFinite,), {"on_train_batch_end": lambda self, *_: None})()]
    },
    "a progress bar": lambda: {"callbacks": [TQDMProgressBar()], "enable_progress_bar": True},
    "the clock": lambda: {"max_time": "00:01:00:00"},
    "a profiler": lambda: {"profiler": SimpleProfiler()},
    "accumulated gradients": lambda: {"accumulate_grad_batches": 2},
    "anomalies": lambda: {"detect_anomaly": True},
    "not compiled": lambda: {"module": classifier(compiled=False)},
    "half precision": lambda: {"precision": "bf16-mixed"},
}


@pytest.mark.filterwarnings("ignore:You have turned on `Trainer.detect_anomaly")
@pytest.mark.parametrize("who", LISTENERS)
def test_where_somebody_listens_every_iteration_has_its_hooks(who: str) -> None:
    assert not Run(**LISTENERS[who]()).quiet.at


class Numbers(Callback):
    """Sees every batch."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, out: Any, batch: Any, at: int) -> None:
        self.seen.append((at, trainer.global_step))


def test_a_listener_sees_all_and_changes_nothing() -> None:
    numbers, quiet = Numbers(), Run()
    assert quiet.quiet.at
    heard = Run([numbers])
    assert numbers.seen == [((step - 1) % 7, step) for step in range(1, STEPS + 1)]
    assert same(weights(heard.module), weights(quiet.module))
    assert repr(heard.rows) == repr(quiet.rows)


def test_checkpoints_of_lightning_are_those_of_their_iterations(tmp_path: Path) -> None:
    saved = []
    for quietly in (False, True):
        keep = ModelCheckpoint(tmp_path / str(quietly), every_n_train_steps=4, save_top_k=-1)
        run = Run([keep], quietly=quietly, enable_checkpointing=True)
        assert bool(run.quiet.at) == quietly
        found = map(torch.load, (tmp_path / str(quietly)).iterdir())
        saved.append({each["global_step"]: plain(each["state_dict"]) for each in found})
    # Their names have the iteration of the last validation; of two in between, one is kept.
    assert len(saved[0]) > 5
    assert saved[0].keys() <= set(range(4, STEPS, 4))
    assert saved[0] == saved[1]


def test_loggers_get_the_same(tmp_path: Path) -> None:
    files = []
    for quietly in (False, True):
        logger = CSVLogger(tmp_path, name=str(quietly))
        Run(quietly=quietly, logger=logger, log_every_n_steps=1)
        files.append((Path(logger.log_dir) / "metrics.csv").read_text())
    assert files[0].count("\n") > STEPS // EVERY
    assert files[0] == files[1]


class Listener:
    def __init__(self) -> None:
        self.reached: list[int] = []

    def begin(self, label: str, density: float | None, iterations: int) -> None: ...
    def end(self, summary: str) -> None: ...

    def reach(self, iteration: int, *, resumed: bool = False) -> None:
        self.reached.append(iteration)


def test_progress_is_told_when_it_is_due() -> None:
    now = [0.0]
    listener = Listener()

    def clock() -> float:
        now[0] += 0.05
        return now[0]

    run = Run([ReportedProgress(listener, clock=clock)])
    assert run.quiet.at
    assert 4 <= len(listener.reached) <= STEPS
    assert set(listener.reached).isdisjoint(run.quiet.at), "what is told has its hooks"


class Bad(TinyData):
    """The rows of one training batch have a label or a value that is wrong."""

    def __init__(self, *, label: int | None = None, value: float | None = None) -> None:
        super().__init__()
        order = torch.cat([batch[0] for batch in super().train_dataloader()])
        rows, labels = self.sets["train"]
        (at,) = (rows == order[9]).all(1).nonzero().flatten().tolist()  # of the third batch
        if label is not None:
            labels[at] = label
        if value is not None:
            rows[at, 0] = value


@pytest.mark.parametrize("listen", [False, True])
def test_a_loss_that_is_not_finite_ends_the_training_at_its_iteration(listen: bool) -> None:
    run = Run([StopOnNonFinite(), *([Numbers()] if listen else [])], data=Bad(value=float("nan")))
    assert isinstance(run.error, RunError)
    assert "nan at iteration 3:" in str(run.error)
    assert (3 in run.quiet.at) == (not listen)


def test_a_batch_that_is_not_taken_is_trained_on_with_hooks() -> None:
    run = assert_same(lambda quietly: Run(data=Bad(label=-100), quietly=quietly))
    assert 3 not in run.quiet.at
    assert 4 in run.quiet.at


@pytest.mark.parametrize("after", range(1, 20))
def test_stopped_anywhere_it_goes_on_to_the_same_bits(after: int, tmp_path: Path) -> None:
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) >= after

    whole = Run([ticket()])
    stopped = Run([ticket(), ResumeCheckpoint(tmp_path / "last.ckpt", stop=stop, every_seconds=1e9)])
    assert isinstance(stopped.error, Interrupted)
    assert stopped.trainer.global_step < STEPS
    again = [ticket(), ResumeCheckpoint(tmp_path / "last.ckpt", every_seconds=1e9)]
    resumed = Run(again, start=tmp_path / "last.ckpt", rows=stopped.rows)
    assert resumed.quiet.at
    assert same(weights(resumed.module), weights(whole.module))
    assert repr(resumed.rows) == repr(whole.rows)


def test_snapshots_are_of_their_iterations(tmp_path: Path) -> None:
    states = []
    for quietly in (False, True):
        snapshots = {tmp_path / f"{quietly}_{at}": at for at in (1, 3, 4, 11, 24)}
        run = Run([ResumeCheckpoint(tmp_path / "last", snapshots=snapshots, every_seconds=1e9)], quietly=quietly)
        assert bool(run.quiet.at) == quietly
        states.append([plain(torch.load(path, weights_only=False)) for path in snapshots])
    for one, other in zip(*states, strict=True):
        for name in ("state_dict", "optimizer_states", "loops", "global_step", "train_means", "rng"):
            assert one[name] == other[name], name


class Moved(TinyData):
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0] * 2, batch[1]


def test_data_with_hooks_of_its_own_has_them() -> None:
    assert not Run(data=Moved()).quiet.at


class Unsized(TinyData):
    def train_dataloader(self) -> Any:
        loader = super().train_dataloader()

        class Stream:
            def __iter__(self) -> Any:
                return iter(loader)

        return Stream()


def test_a_loader_without_a_length_is_never_quiet() -> None:
    assert not Run(data=Unsized(), val_check_interval=5).quiet.at


def test_epochs_may_be_cut_short() -> None:
    assert_same(lambda quietly: Run(quietly=quietly, limit_train_batches=4))
    assert_same(
        lambda quietly: Run(
            quietly=quietly, max_steps=-1, max_epochs=3, val_check_interval=0.5, check_val_every_n_epoch=2
        )
    )


class Three(TinyData):
    def train_dataloader(self) -> TensorLoader:
        rows, labels = self.sets["train"]
        return TensorLoader((rows, labels, labels), 4, shuffle_seed=3)


def test_batches_of_something_else_are_the_modules_own(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Classifier.training_step
    monkeypatch.setattr(Classifier, "training_step", lambda self, batch, at: step(self, batch[:2], at))
    run = Run(data=Three())
    assert not run.quiet.at
    assert same(weights(run.module), weights(Run().module))
