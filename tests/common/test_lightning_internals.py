"""Every private part of Lightning that is relied on, one test each; they fail when a new version changes that part."""

import copy
import inspect
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import Any, get_args
from unittest import mock

import pytest
import torch
from helpers.tiny import Probe, TinyData, TinyModule, TinyNet, same, tiny_trainer, weights, with_validation
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LearningRateFinder,
    ModelCheckpoint,
    RichProgressBar,
    StochasticWeightAveraging,
    WeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader, IterableDataset

from app.common.lightning_internals import (
    CheapHooks,
    EpochBar,
    OpenCLI,
    OpenWandbLogger,
    are_there,
    average_from,
    end_averaging,
    epochs_begun,
    file_version,
    finish_epoch_of_checkpoint,
    follow_directory,
    is_accumulating,
    is_attached,
    is_last_batch,
    is_resuming,
    is_stateful_loader,
    leave_to_us,
    read_counts_before_shares,
    requeue_signal,
    reset_averaging,
    reset_early_stopping,
    reset_loops,
    reset_model_checkpoint,
    save_over,
    set_file_version,
    set_run_name,
    start_children,
    starts_by_spawning,
    state_key,
    train_loaders,
    use_epoch_bar,
    validation_follows,
)
from datamodules import TensorLoader

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:You are trying to `self.log:UserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
]
BATCHES = 7  # in an epoch of TinyData


def after_batches(ask: Any, **arguments: Any) -> list[Any]:
    """What `ask(trainer)` returns after each batch of a training."""
    answers: list[Any] = []
    probe = Probe(on_train_batch_end=lambda trainer, _: answers.append(ask(trainer)))
    tiny_trainer([probe], **arguments).fit(TinyModule(), TinyData())
    return answers


@pytest.mark.parametrize("length", [{"max_steps": 5}, {"max_epochs": 2}])
def test_a_second_fit_of_one_trainer_trains_only_after_reset_loops(length: dict[str, int]) -> None:
    steps: list[int] = []
    trainer = tiny_trainer([Probe(on_train_batch_end=lambda trainer, _: steps.append(trainer.global_step))], **length)
    module, data = TinyModule(), TinyData()
    trainer.fit(module, data)
    first = list(steps)
    trainer.fit(module, data)
    assert steps == first != []
    reset_loops(trainer)
    trainer.fit(module, data)
    assert steps == 2 * first


def test_early_stopping_forgets_the_fit_before_only_after_reset_early_stopping() -> None:
    stopping = EarlyStopping("val_loss", patience=2, min_delta=100)
    module, data, lengths = TinyModule(), TinyData(), []
    for reset in (False, False, True):
        if reset:
            reset_early_stopping(stopping)
        trainer = tiny_trainer([stopping], max_steps=20, **with_validation(2))
        trainer.fit(module, data)
        lengths.append(trainer.global_step)
    assert lengths == [6, 2, 6]  # a first value and two without improvement; at once; as the first


def test_reset_loops_forgets_what_a_checkpoint_left_in_them(tmp_path: Path) -> None:
    """A fit that resumed and failed leaves loops that would go on in the middle of an epoch."""
    batches: list[int] = []

    def fail(trainer: Trainer, _: LightningModule) -> None:
        if len(batches) == 2:
            raise RuntimeError("in the middle")

    class Numbers(Callback):
        def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, number: int) -> None:
            batches.append(number)

    save = Probe(on_train_batch_end=lambda trainer, _: trainer.save_checkpoint(tmp_path / str(trainer.global_step)))
    tiny_trainer([save], max_steps=5).fit(TinyModule(), TinyData())
    trainer = tiny_trainer([Numbers(), Probe(on_train_batch_start=fail)], max_steps=5)
    module, data = TinyModule(), TinyData()
    with pytest.raises(RuntimeError, match="in the middle"):
        trainer.fit(module, data, ckpt_path=tmp_path / "2")
    assert batches == [2, 3]
    reset_loops(trainer)
    trainer.fit(module, data)
    assert batches[2:] == [*range(5)]


def test_is_resuming_from_checkpoints_and_not_from_those_of_a_finder(tmp_path: Path) -> None:
    told: list[bool] = []

    class Tunable(TinyModule):
        lr = 0.1

    ask = Probe(on_fit_start=lambda trainer, _: told.append(is_resuming(trainer)))
    finder = LearningRateFinder(num_training_steps=2, update_attr=False)
    for callbacks in ([ask], [finder, ask]):
        trainer = tiny_trainer(callbacks, max_steps=2, default_root_dir=tmp_path)
        trainer.fit(Tunable(), TinyData())
    assert ".lr_find_" in str(trainer.ckpt_path)
    trainer.save_checkpoint(tmp_path / "2.ckpt")
    tiny_trainer([ask], max_steps=3).fit(Tunable(), TinyData(), ckpt_path=tmp_path / "2.ckpt")
    assert told == [False, False, True]


def test_a_model_checkpoint_forgets_the_fit_before_only_after_reset_model_checkpoint(tmp_path: Path) -> None:
    new, used = (ModelCheckpoint(tmp_path / name, every_n_train_steps=3, save_last=True) for name in ("new", "used"))
    module, data, saved = TinyModule(), TinyData(), []
    for reset in (False, False, True):
        if reset:
            reset_model_checkpoint(used)
            different = {name for name, value in vars(new).items() if value != vars(used)[name]}
            assert different == {"dirpath", "_fs", "_last_time_checked"} & different
        tiny_trainer([used], max_steps=3, enable_checkpointing=True).fit(module, data)
        saved.append(Path(used.best_model_path).name)
    assert saved == ["epoch=0-step=3.ckpt", "epoch=0-step=3.ckpt", "epoch=0-step=3-v1.ckpt"]


@pytest.mark.parametrize(
    "make",
    [
        WeightAveraging,
        lambda: StochasticWeightAveraging(swa_lrs=0.05, swa_epoch_start=1, annealing_epochs=1),
    ],
)
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
def test_averages_are_updated_in_a_second_fit_only_after_reset_averaging(make: Any) -> None:
    callback, trained = make(), []
    for reset in (False, False, True):
        torch.manual_seed(0)
        module = TinyModule()
        begun = weights(module)
        if reset:
            reset_averaging(callback)
        tiny_trainer([callback], max_epochs=2).fit(module, TinyData())
        trained.append(weights(module))
        assert same(weights(module), begun) == (len(trained) == 2)
    assert same(trained[0], trained[2])


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
def test_an_averaging_that_an_exception_ended_is_undone_only_by_end_averaging() -> None:
    def fail(trainer: Trainer, _: LightningModule) -> None:
        if trainer.current_epoch == 2:  # the additional one, for the batch norms
            raise RuntimeError("in the middle")

    averaging = StochasticWeightAveraging(swa_lrs=0.05, swa_epoch_start=1, annealing_epochs=1)
    module = TinyModule(TinyNet(norm=True))
    trainer = tiny_trainer([averaging, Probe(on_train_batch_start=fail)], max_epochs=2)
    with pytest.raises(RuntimeError, match="in the middle"):
        trainer.fit(module, TinyData())
    found = []
    for _ in range(2):
        loop = trainer.fit_loop
        found.append((loop.max_epochs, loop._skip_backward, trainer.accumulate_grad_batches, module.net.norm.momentum))
        end_averaging(averaging, trainer)
    assert found == [(3, True, BATCHES + 1, None), (2, False, 1, 0.1)]


def test_average_from_replaces_an_average_that_has_no_update() -> None:
    class Never(WeightAveraging):
        def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
            return False

    callback, module = Never(), TinyModule()
    average_from(callback, module)  # before there is one: nothing happens

    def change(_: Trainer, module: LightningModule) -> None:
        with torch.no_grad():
            module.net.fc.weight.fill_(0.5)
        average_from(callback, module)

    tiny_trainer([callback, Probe(on_fit_start=change)], max_steps=2).fit(module, TinyData())
    assert (module.net.fc.weight == 0.5).all()


def test_model_checkpoints_know_their_best_in_another_directory_only_after_follow_directory(tmp_path: Path) -> None:
    """Where their files have moved too."""
    before, now = tmp_path / "before", tmp_path / "now"
    saved = ModelCheckpoint(before, monitor="x", save_top_k=2, save_last=True)
    saved.best_model_score, saved.best_model_path = torch.tensor(0.5), str(before / "a.ckpt")
    saved.kth_best_model_path, saved.last_model_path = str(before / "b.ckpt"), str(before / "last.ckpt")
    saved.best_k_models = {str(before / "a.ckpt"): torch.tensor(0.5), str(before / "b.ckpt"): torch.tensor(0.7)}
    loaded = ModelCheckpoint(now, monitor="x", save_top_k=2, save_last=True)
    state = copy.deepcopy(saved.state_dict())
    follow_directory(loaded, state)
    with pytest.warns(UserWarning, match="The dirpath has changed"):
        loaded.load_state_dict(state)
    assert loaded.best_model_score is None, "the files are not there"
    now.mkdir()
    (now / "a.ckpt").touch()
    follow_directory(loaded, state)
    loaded.load_state_dict(state)
    assert loaded.best_model_score == 0.5
    assert [Path(path).parent for path in loaded.best_k_models] == [now, now]
    paths = (loaded.best_model_path, loaded.kth_best_model_path, loaded.last_model_path)
    assert paths == tuple(str(now / name) for name in ("a.ckpt", "b.ckpt", "last.ckpt"))


def test_a_model_checkpoint_replaces_files_only_after_save_over(tmp_path: Path) -> None:
    for over, names in ((False, {"a.ckpt", "a-v1.ckpt"}), (True, {"a.ckpt"})):
        for _ in range(2):
            callback = ModelCheckpoint(tmp_path / str(over), filename="a")
            if over:
                save_over(callback)
            tiny_trainer([callback], enable_checkpointing=True, max_steps=2).fit(TinyModule(), datamodule=TinyData())
        assert {path.name for path in (tmp_path / str(over)).iterdir()} == names


def test_is_accumulating_until_the_batch_of_a_step() -> None:
    assert after_batches(is_accumulating, max_steps=2, accumulate_grad_batches=3) == 2 * [True, True, False]
    # Lightning also takes a step at the last batch of an epoch.
    assert after_batches(is_accumulating, max_epochs=1, accumulate_grad_batches=3) == [*2 * [True, True, False], False]


def test_validation_follows_the_batches_before_a_validation() -> None:
    validated: list[int] = []
    probe = Probe(on_validation_start=lambda trainer, _: validated.append(trainer.global_step))
    expected: list[int] = []
    ask = Probe(
        on_train_batch_end=lambda trainer, _: (
            expected.append(trainer.global_step) if validation_follows(trainer) else None
        )
    )
    tiny_trainer([probe, ask], max_steps=10, **with_validation(3, num_sanity_val_steps=0)).fit(TinyModule(), TinyData())
    assert expected == validated == [3, 6, 9]


def test_is_last_batch_at_the_end_of_an_epoch() -> None:
    assert after_batches(is_last_batch, max_epochs=2) == 2 * [*(BATCHES - 1) * [False], True]


def test_train_loaders_are_the_training_s() -> None:
    data = TinyData()
    loader = data.train_dataloader()
    found: list[Any] = []
    trainer = tiny_trainer([Probe(on_train_start=lambda trainer, _: found.extend(train_loaders(trainer)))], max_steps=1)
    assert train_loaders(trainer) == []
    trainer.fit(TinyModule(), loader, data.val_dataloader())
    assert found == [loader]


def test_is_stateful_loader_knows_what_lightning_saves() -> None:
    ours, plain = TinyData().train_dataloader(), DataLoader([torch.ones(1)])
    assert isinstance(ours, TensorLoader)
    loaders = (ours, plain, [ours, ours], [ours, plain])
    assert [is_stateful_loader(loader) for loader in loaders] == [True, False, True, False]


class Unsized(IterableDataset[Any]):
    """Three batches of 4, and no length."""

    def __iter__(self) -> Iterator[Any]:
        rows, labels = TinyData().sets["train"]
        return iter([(rows[number], labels[number]) for number in range(12)])


class Batches(Callback):
    """Writes down each beginning of an epoch, and the number of each batch."""

    def __init__(self) -> None:
        self.seen: list[str | int] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen.append("epoch")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.seen.append(batch_idx)


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers:UserWarning")
@pytest.mark.parametrize(("finish", "expected"), [(False, [3, 4, 5]), (True, ["epoch", 0, 1, 2])])
def test_a_checkpoint_of_the_last_batch_begins_an_epoch_only_after_finish_epoch_of_checkpoint(
    tmp_path: Path, finish: bool, expected: list[str | int]
) -> None:
    def save(trainer: Trainer, _: LightningModule) -> None:
        if is_last_batch(trainer):
            trainer.save_checkpoint(tmp_path / "end.ckpt")

    def fit(*callbacks: Callback, epochs: int, checkpoint: Path | None = None) -> None:
        loaders = DataLoader(Unsized(), batch_size=4), TinyData().val_dataloader()
        tiny_trainer(callbacks, max_epochs=epochs).fit(TinyModule(), *loaders, ckpt_path=checkpoint)

    fit(Probe(on_train_batch_end=save), epochs=1)
    batches = Batches()
    finishing = [Probe(on_train_start=lambda trainer, _: finish_epoch_of_checkpoint(trainer))] if finish else []
    fit(batches, *finishing, epochs=2, checkpoint=tmp_path / "end.ckpt")
    assert batches.seen == expected


def test_epochs_begun_counts_the_epoch_that_a_checkpoint_ends(tmp_path: Path) -> None:
    path, found = tmp_path / "a.ckpt", []

    def save(trainer: Trainer, _: LightningModule) -> None:
        trainer.save_checkpoint(path)
        found.append(epochs_begun(torch.load(path, weights_only=True)))

    tiny_trainer([Probe(on_train_batch_end=save, on_train_end=save)], max_epochs=2).fit(TinyModule(), TinyData())
    assert found == [*BATCHES * [1], *BATCHES * [2], 2]


def test_is_attached_to_the_trainer_of_a_fit() -> None:
    module, seen = TinyModule(), []
    assert not is_attached(module)
    with pytest.raises(RuntimeError, match="not attached to a `Trainer`"):
        _ = module.trainer
    tiny_trainer([Probe(on_fit_start=lambda _, module: seen.append(is_attached(module)))], max_steps=1).fit(
        module, TinyData()
    )
    assert seen == [True]


def test_starts_by_spawning_tells_ddp_from_ddp_spawn() -> None:
    assert "_start_method" in vars(DDPStrategy())
    assert not starts_by_spawning(tiny_trainer())
    assert not starts_by_spawning(tiny_trainer(strategy="ddp", devices=2))
    assert starts_by_spawning(tiny_trainer(strategy="ddp_spawn", devices=2))


def test_state_key_names_the_class_and_its_arguments() -> None:
    assert state_key(Callback(), rate=0.2, scope="global") == "Callback{'rate': 0.2, 'scope': 'global'}"


def test_cheap_hooks_set_the_hook_s_name_without_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cheap(TinyModule, CheapHooks):
        pass

    def names_set(module: LightningModule) -> list[str]:
        names: list[str] = []
        original = torch.nn.Module.__setattr__
        with monkeypatch.context() as patch:
            patch.setattr(
                torch.nn.Module,
                "__setattr__",
                lambda self, name, value: names.append(name) or original(self, name, value),
            )
            tiny_trainer(max_steps=1).fit(module, TinyData())
        return names

    hooks: list[Any] = []
    for module in (TinyModule(), Cheap()):
        probe = Probe(on_train_batch_start=lambda _, module: hooks.append(module._current_fx_name))
        tiny_trainer([probe], max_steps=1).fit(module, TinyData())
    assert hooks == 2 * ["on_train_batch_start"]
    assert names_set(TinyModule()).count("_current_fx_name") > 20
    assert "_current_fx_name" not in names_set(Cheap())


def test_open_cli_checks_the_checkpoint_s_path_and_the_seed_first_and_reads_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[int] = []

    class NoArguments(TinyModule):
        def __init__(self) -> None:
            super().__init__()

    class Checked(OpenCLI):
        def check_ckpt_path(self) -> None:
            order.append(self.config.fit.trainer.max_steps)
            assert not hasattr(self, "trainer")

        def check_seed(self) -> None:
            order.append(self.config.fit.seed_everything)
            assert "PL_GLOBAL_SEED" not in os.environ, "the seed is set after it was checked"

        def before_fit(self) -> None:
            assert os.environ["PL_GLOBAL_SEED"] == "3"
            order.append(self.value("trainer.max_epochs"))
            assert self.plain_config()["trainer"]["max_epochs"] == 2
            assert self.value("nothing_of_that_name") is None
            assert self.made("trainer")["max_epochs"] == 2
            assert "--trainer.max_epochs" in self.option_names()["fit"]

        def fit(self, **arguments: Any) -> None:
            """Nothing: only the order matters."""

    monkeypatch.setattr("sys.argv", ["app"])
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    trainer = {"logger": False, "enable_checkpointing": False, "accelerator": "cpu", "max_steps": 5, "max_epochs": 2}
    fit = {"seed_everything": 3, "trainer": trainer}
    Checked(NoArguments, TinyData, args={"subcommand": "fit", "fit": fit})
    assert order == [5, 3, 2]


def test_the_version_of_a_logger_names_its_directory(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="logs")
    assert file_version(logger) is None
    set_file_version(logger, "mine/round_01")
    assert file_version(logger) == logger.version == "mine/round_01"
    assert Path(logger.log_dir) == tmp_path / "logs/mine/round_01"
    assert file_version(CSVLogger(tmp_path, version=3)) == 3


def test_set_run_name_is_what_w_and_b_is_started_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr("wandb.init", lambda **options: started.append((options["name"], options["group"])) or Run())
    for name in (None, "mine"):
        logger = WandbLogger(name=name, save_dir=tmp_path)
        set_run_name(logger, "ours", "group")
        _ = logger.experiment
    assert started == [("ours", "group"), ("mine", "group")]


class Run:
    """Stands for a W&B run."""

    id = "chosen by W&B"


def test_open_wandb_logger_names_lightning_s_attributes() -> None:
    logger = OpenWandbLogger(project="trees", offline=True, save_dir="here")
    assert "anonymous" in WandbLogger(project="trees", offline=True).__dict__["_wandb_init"]
    assert logger.init_options == {"name": None, "project": "trees", "dir": "here", "id": None, "resume": "allow"}
    assert (logger.open_run, logger.run_id, logger.is_offline) == (None, None, True)
    assert not OpenWandbLogger().is_offline

    logger.describe_run(run_id="abc", name="iterative 0", directory="there", group="mnist")
    assert (logger.run_id, logger.version, logger.save_dir) == ("abc", "abc", "there")
    expected = {"name": "iterative 0", "id": "abc", "dir": "there", "group": "mnist"}
    assert expected.items() <= logger.init_options.items()

    run = logger.open_run = Run()  # type: ignore[assignment]
    assert logger.experiment is run
    assert logger.version == Run.id


def test_a_copy_of_open_wandb_logger_has_no_run() -> None:
    logger = OpenWandbLogger(offline=True)
    logger.open_run = Run()  # type: ignore[assignment]
    assert copy.copy(logger).open_run is None
    assert copy.copy(logger).init_options == logger.init_options


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"JOB_ID": "77", "JOB_NAME": "x", "NTASKS": "1", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)


@pytest.mark.usefixtures("slurm")
def test_the_trainer_leaves_signals_and_checkpoints_to_us(tmp_path: Path) -> None:
    for leaves in (True, False):
        seen: list[Any] = []

        def look(*_: Any, seen: list[Any] = seen) -> None:
            seen.extend(signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1))

        before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
        (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"no checkpoint")
        trainer = tiny_trainer([Probe(on_train_start=look)], max_steps=2, default_root_dir=tmp_path)
        if leaves:
            leave_to_us(trainer)
            trainer.fit(TinyModule(), TinyData())
            assert seen == before
            assert trainer.global_step == 2
            trainer.save_checkpoint(tmp_path / "x.ckpt")
            again = tiny_trainer(max_steps=4, default_root_dir=tmp_path)
            leave_to_us(again)
            again.fit(TinyModule(), TinyData(), ckpt_path=tmp_path / "x.ckpt")
            assert again.global_step == 4
        else:  # or there is no need for this any more
            with pytest.raises(Exception, match=r"hpc_ckpt|UnpicklingError|Weights only load failed"):
                trainer.fit(TinyModule(), TinyData())


def test_the_signal_of_a_job_that_is_to_run_again(slurm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    assert requeue_signal(Trainer(**options)) == signal.SIGUSR1
    assert requeue_signal(Trainer(plugins=[SLURMEnvironment(auto_requeue=False)], **options)) is None
    assert requeue_signal(Trainer(plugins=[SLURMEnvironment(requeue_signal=signal.SIGHUP)], **options)) == signal.SIGHUP
    monkeypatch.delenv("SLURM_NTASKS")
    assert requeue_signal(Trainer(**options)) is None


def test_the_processes_of_a_machine_are_started_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def start(command: list[str], env: dict[str, str], cwd: str | None) -> str:
        started.append(env["LOCAL_RANK"])
        return "process"

    options: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    assert are_there(Trainer(**options))
    assert start_children(Trainer(**options)) == []
    assert are_there(Trainer(**options, strategy="ddp", devices=2, num_nodes=2)), "others begin on the other machine"
    trainer = Trainer(**options, strategy="ddp", devices=2)
    monkeypatch.setattr("subprocess.Popen", start)
    with mock.patch.dict(os.environ):
        assert not are_there(trainer)
        assert start_children(trainer) == ["process"]
        again = Trainer(**options, strategy="ddp", devices=2)
        assert are_there(again)
        assert start_children(again) == []
    assert started == ["1"]


def test_options_that_are_a_count_or_a_share_are_counts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    hints = inspect.unwrap(Trainer.__init__).__annotations__
    for name, hint in list(hints.items()):  # to be restored afterwards
        monkeypatch.setitem(hints, name, hint)
    monkeypatch.setitem(hints, "limit_val_batches", float | int | None)
    read_counts_before_shares()
    assert get_args(hints["limit_val_batches"]) == (int, float, NoneType)
    both = [types for types in map(get_args, hints.values()) if float in types and int in types]
    assert len(both) >= 7
    assert all(types.index(int) < types.index(float) for types in both)
    assert get_args(hints["devices"])[-1] is int, "types that are no share stay as they are"


@pytest.mark.parametrize(("max_epochs", "told"), [(-1, "Epoch 3   "), (None, "Epoch 3   "), (5, "Epoch 3/4 ")])
def test_a_bar_names_the_last_epoch_where_there_is_one(max_epochs: int | None, told: str) -> None:
    bar = EpochBar()
    bar._trainer = SimpleNamespace(max_epochs=max_epochs)
    assert bar._get_train_description(3) == told


def test_lightning_s_own_bar_is_replaced_and_one_of_the_user_s_is_not() -> None:
    class Mine(RichProgressBar):
        pass

    options: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    own, users = Trainer(**options), Trainer(**options, callbacks=[Mine()])
    for trainer, kind in ((own, EpochBar), (users, Mine)):
        use_epoch_bar(trainer)
        assert type(trainer.progress_bar_callback) is kind


def test_a_bar_does_not_tell_the_version_of_the_logger(tmp_path: Path) -> None:
    trainer = Trainer(accelerator="cpu", logger=CSVLogger(tmp_path), enable_checkpointing=False)
    assert "v_num" in RichProgressBar().get_metrics(trainer, TinyModule())
    assert EpochBar().get_metrics(trainer, TinyModule()) == {}
