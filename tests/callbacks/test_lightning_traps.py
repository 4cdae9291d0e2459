"""Undocumented behaviour of Lightning that this code relies on; the tests fail when a new version changes it.

They state what the supported versions do, not what would be right. Private parts have their tests in
tests/common/test_lightning_internals.py.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch
from helpers.tiny import Probe, TinyData, TinyModule, tiny_trainer, with_validation
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from app.cli.subcommands import CLI
from datamodules import TensorLoader

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


@pytest.fixture
def one_process_ddp() -> Iterator[dict[str, object]]:
    """Arguments of a Trainer that runs `ddp` in this process alone, and leaves nothing behind."""
    with mock.patch.dict(os.environ):
        yield {"strategy": "ddp", "devices": 1}
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


# Many fits


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning")
def test_a_reused_model_checkpoint_skips_a_save_at_the_step_of_its_last_one(tmp_path: Path) -> None:
    saved = []
    checkpoint = ModelCheckpoint(tmp_path, every_n_train_steps=3, save_top_k=-1)
    original = checkpoint._save_checkpoint
    checkpoint._save_checkpoint = lambda trainer, path: saved.append(trainer.global_step) or original(trainer, path)
    for _ in range(2):
        tiny_trainer([checkpoint], enable_checkpointing=True, max_steps=3).fit(TinyModule(), TinyData())
    assert saved == [3]


@pytest.mark.filterwarnings("ignore:No seed found:UserWarning")
@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")
def test_instantiate_trainer_adds_to_the_configurations_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    callbacks = '[{"class_path": "lightning.pytorch.callbacks.LambdaCallback"}]'
    arguments = ["--trainer.logger=false", f"--trainer.callbacks={callbacks}"]
    monkeypatch.setattr("sys.argv", ["app", *arguments])
    cli = LightningCLI(TinyModule, TinyData, run=False)
    configured = cli.config_init.trainer.callbacks
    before = len(configured)
    cli.instantiate_trainer()
    assert len(configured) > before


def test_sanity_checks_draw_no_random_numbers() -> None:
    class Noisy(TinyModule):
        def on_validation_start(self) -> None:
            torch.rand(3)

    states = []
    torch.manual_seed(0)
    module, before = Noisy(), torch.get_rng_state()
    probe = Probe(on_train_start=lambda *_: states.append(torch.get_rng_state()))
    tiny_trainer([probe], max_steps=1, **with_validation(5)).fit(module, TinyData())
    assert states[0].equal(before)


def test_modules_in_eval_mode_bring_a_warning() -> None:
    with pytest.warns(UserWarning, match="in eval mode at the start of training"):
        tiny_trainer(max_steps=1).fit(TinyModule().eval(), TinyData())


# The order of things


class Order(Callback):
    """Writes down when its hooks are called, and what is restored by then."""

    def __init__(self, saved: torch.Tensor | None = None) -> None:
        self.saved = saved
        self.seen: list[tuple[str, bool, int]] = []

    def _note(self, hook: str, trainer, module) -> None:
        weights = self.saved is not None and module.net.fc.weight.equal(self.saved)
        self.seen.append((hook, weights, trainer.global_step))

    def setup(self, trainer, pl_module, stage) -> None:
        self.trainer, self.module = trainer, pl_module
        self._note("setup", trainer, pl_module)

    def on_load_checkpoint(self, trainer, pl_module, checkpoint) -> None:
        self._note("on_load_checkpoint", trainer, pl_module)

    def state_dict(self) -> dict[str, int]:
        return {"something": 1}

    def load_state_dict(self, state_dict) -> None:
        self._note("load_state_dict", self.trainer, self.module)

    def on_fit_start(self, trainer, pl_module) -> None:
        self._note("on_fit_start", trainer, pl_module)

    def on_train_start(self, trainer, pl_module) -> None:
        self._note("on_train_start", trainer, pl_module)


def test_weights_are_restored_before_callbacks_and_loops_before_training(tmp_path: Path) -> None:
    module = TinyModule()
    trainer = tiny_trainer([Order()], max_steps=4)
    trainer.fit(module, TinyData())
    trainer.save_checkpoint(tmp_path / "4.ckpt")
    order = Order(module.net.fc.weight.detach().clone())
    tiny_trainer([order], max_steps=5).fit(TinyModule(), TinyData(), ckpt_path=tmp_path / "4.ckpt")
    assert order.seen == [
        ("setup", False, 0),
        ("on_load_checkpoint", True, 0),
        ("load_state_dict", True, 0),
        ("on_fit_start", True, 0),
        ("on_train_start", True, 4),
    ]


def test_renamed_parameters_fail_before_any_callback_sees_the_checkpoint(tmp_path: Path) -> None:
    trainer = tiny_trainer(max_steps=1)
    trainer.fit(TinyModule(), TinyData())
    trainer.save_checkpoint(tmp_path / "1.ckpt")
    renamed, order = TinyModule(), Order()
    renamed.other = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="Missing key"):
        tiny_trainer([order], max_steps=2).fit(renamed, TinyData(), ckpt_path=tmp_path / "1.ckpt")
    assert [hook for hook, *_ in order.seen] == ["setup"]


def test_gradients_are_clipped_after_on_before_optimizer_step() -> None:
    norms = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            loss = closure()
            norms.append(("step", gradient_norm()))
            return super().step() or loss

    module = TinyModule(configure=lambda module: Watched(module.parameters(), lr=0.1))

    def gradient_norm() -> float:
        return torch.cat([p.grad.flatten() for p in module.parameters()]).norm().item()

    probe = LambdaCallback(on_before_optimizer_step=lambda *_: norms.append(("hook", gradient_norm())))
    tiny_trainer([probe], max_steps=1, gradient_clip_val=1e-3).fit(module, TinyData())
    assert [where for where, _ in norms] == ["hook", "step"]
    assert norms[0][1] > 1e-2
    assert norms[1][1] == pytest.approx(1e-3, rel=1e-3)


# Several processes


@pytest.mark.parametrize("ddp", [False, True])
def test_ddp_seeds_every_fit_alike_and_one_device_goes_on(ddp: bool, request: pytest.FixtureRequest) -> None:
    arguments = request.getfixturevalue("one_process_ddp") if ddp else {}
    drawn = []
    seed_everything(5, verbose=False)
    module = TinyModule()
    for _ in range(2):
        probe = Probe(on_train_start=lambda *_: drawn.append(torch.rand(4)))
        tiny_trainer([probe], max_steps=1, **arguments).fit(module, TinyData())
    assert drawn[0].equal(drawn[1]) is ddp


def test_a_loader_of_our_own_gets_no_distributed_sampler(one_process_ddp: dict[str, object]) -> None:
    data = TinyData()
    theirs = DataLoader(TensorDataset(*data.sets["train"]), batch_size=4, shuffle=True)
    samplers = {}

    def note(trainer, module) -> None:
        loader = trainer.train_dataloader
        samplers[type(loader)] = type(loader.sampler)

    for loader in (data.train_dataloader(), theirs):
        trainer = tiny_trainer(
            [Probe(on_train_start=note)], max_steps=1, **one_process_ddp | {"use_distributed_sampler": True}
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("lightning.pytorch.trainer.connectors.data_connector._worker_check", lambda *_, **__: None)
            trainer.fit(TinyModule(), loader, data.val_dataloader())
    assert samplers == {TensorLoader: TensorLoader, DataLoader: DistributedSampler}


# One configuration, many Trainers


@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")
def test_the_trainers_part_of_a_configuration_gives_fresh_callbacks_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Parsed(CLI):
        def _run_subcommand(self, subcommand: str) -> None:
            """Nothing: it is parsed and instantiated."""

    arguments = [
            "lottery", "--experiment=e", "--model=Classifier", "--model.net=LeNet", "--data=MNISTSample",
            "--trainer.max_steps=3", "--trainer.logger=false", "--trainer.accelerator=cpu",
            "--trainer.callbacks=EarlyStopping", "--trainer.callbacks.monitor=val_loss",
        ]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["app", *arguments])
    cli = Parsed()
    first, second = (cli.fresh_trainer(tmp_path, [], []) for _ in range(2))
    kinds = [type(callback) for callback in first.callbacks]
    assert kinds.count(EarlyStopping) == 1
    assert kinds == [type(callback) for callback in second.callbacks]
    assert not set(map(id, first.callbacks)) & set(map(id, second.callbacks))
    assert not set(map(id, first.callbacks)) & set(map(id, cli.trainer.callbacks))
