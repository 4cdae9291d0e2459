"""Checkpoints that say which model they are of, and the model back from nothing else."""

import struct
import warnings
import zipfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.hostile import hostile_objects
from helpers.language import WORDS, TinyText
from helpers.tiny import TinyData, TinyModule, TinyNet, same, tiny_trainer, weights
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightning.pytorch import LightningModule

from app.common.errors import UserError
from app.modules import LanguageModel
from app.nets import ONLSTM
from app.runs.checkpoints import (
    check_start,
    check_weights,
    describe,
    description,
    load_weights,
    read_checkpoint,
    ticket_checkpoint,
)
from app.runs.tensors import save_tensors
from app.training.described_checkpoint import describe_in_plain_names, loading_plain_names
from callbacks import ResumeCheckpoint

NET = {"input_size": 4, "layer_sizes": [6, 4], "chunk_size": 2, "dropout": 0.2, "weight_dropout": 0.3}
CONFIG: dict[str, Any] = {
    "seed_everything": 3,
    "model": {
        "class_path": "app.modules.LanguageModel",
        "init_args": {
            "net": {"class_path": "app.nets.ONLSTM", "init_args": NET},
            "vocabulary_size": len(WORDS),
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 2.0}},
            "tied": True,
            "dropout_input": 0.1,
            "alpha": 2.0,
            "beta": 1.0,
        },
    },
    "data": {"class_path": "datamodules.PTB", "init_args": {"bptt": 8}},
}


def describing(directory: Path, config: Any = None) -> ResumeCheckpoint:
    """The callback of our trainings that changes every checkpoint."""
    return ResumeCheckpoint(directory / "last.ckpt", describe=partial(describe_in_plain_names, config=config or {}))


@pytest.fixture(scope="module")
def trained() -> LanguageModel:
    torch.manual_seed(1)
    return LanguageModel(ONLSTM(**NET), len(WORDS), dropout_input=0.1, alpha=2.0, beta=1.0)


@pytest.fixture(scope="module")
def checkpoint(trained: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a few steps of training, as our own trainings save it."""
    path = tmp_path_factory.mktemp("checkpoints") / "best.ckpt"
    trainer = tiny_trainer([describing(path.parent, CONFIG)], max_steps=3)
    trainer.fit(trained, TinyText())
    trainer.save_checkpoint(path)
    return path


@pytest.mark.parametrize("kind", [LanguageModel, LightningModule], ids=lambda kind: kind.__name__)
def test_the_very_model_comes_back_with_no_arguments(
    kind: Any, trained: LanguageModel, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = kind.load_from_checkpoint(checkpoint)
    assert type(back) is LanguageModel
    assert same(weights(back), weights(trained))
    assert (back.alpha, back.beta, back.dropouts) == (2.0, 1.0, trained.dropouts)
    assert [layer.weight_dropout for layer in back.net.layers] == [0.3, 0.3]
    assert back.decoder.weight is back.embedding.weight
    tokens = torch.randint(len(WORDS), (9, 3), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, _ = back.eval()(tokens)
        assert logits.equal(trained.eval()(tokens)[0])
        # In evaluation the weights that would be dropped are scaled: without the 0.3 there were other outputs.
        plain = LanguageModel(ONLSTM(**NET | {"weight_dropout": 0.0}), len(WORDS))
        plain.load_state_dict(back.state_dict())
        assert not logits.equal(plain.eval()(tokens)[0])


def test_arguments_may_be_given_all_the_same(checkpoint: Path) -> None:
    net = ONLSTM(**NET | {"weight_dropout": 0.0})
    back = LanguageModel.load_from_checkpoint(checkpoint, net=net, vocabulary_size=len(WORDS))
    assert isinstance(back, LanguageModel)


def test_a_checkpoint_says_which_model_and_which_data(checkpoint: Path) -> None:
    found = description(read_checkpoint(checkpoint))
    assert found == {"model": CONFIG["model"], "data": CONFIG["data"]}


def test_what_has_no_class_path_is_not_described() -> None:
    for config in ({}, {"model": None}, {"model": "app.modules.Classifier"}, {"model": {"net": 3}}):
        checkpoint: dict[str, Any] = {"state_dict": {}}
        describe(checkpoint, config)
        assert checkpoint == {"state_dict": {}}
        assert description(checkpoint) == {}
    assert description({"trees_and_tickets": [1]}) == {}


@pytest.mark.parametrize("source", ["plain", "compiled"])
@pytest.mark.parametrize("target", ["plain", "compiled"])
def test_compiled_and_uncompiled_networks_share_checkpoints(source: str, target: str, tmp_path: Path) -> None:
    def module(kind: str, seed: int) -> TinyModule:
        torch.manual_seed(seed)
        module = TinyModule(TinyNet(norm=True))
        if kind == "compiled":
            module.net.fc = torch.compile(module.net.fc, backend="eager")
            module.prunable_parameters = dict  # type: ignore[method-assign]
        return module

    first, path = module(source, 0), tmp_path / "x.ckpt"
    trainer = tiny_trainer([describing(tmp_path)], max_steps=2)
    trainer.fit(first, TinyData())
    trainer.save_checkpoint(path)
    assert not any("_orig_mod" in name for name in read_checkpoint(path)["state_dict"])

    second = module(target, 1)
    check_weights(second, path)
    load_weights(second, path)
    plain = {name.replace("_orig_mod.", ""): value for name, value in weights(second).items()}
    assert same(plain, read_checkpoint(path)["state_dict"])

    third = module(target, 2)
    seen: list[dict[str, Any]] = []
    with loading_plain_names(third):
        tiny_trainer([describing(tmp_path)], max_steps=2).fit(third, TinyData(), ckpt_path=path)
    seen.append({name.replace("_orig_mod.", ""): value for name, value in weights(third).items()})
    assert same(seen[0], plain), "the training was at its end already"


def test_weights_of_safetensors(tmp_path: Path) -> None:
    source, target = TinyNet(norm=True), TinyNet(norm=True)
    save_tensors(tmp_path / "final.safetensors", weights(source))
    load_weights(target, tmp_path / "final.safetensors")
    assert same(weights(target), weights(source))
    with pytest.raises(UserError, match=r"final\.safetensors: the weights are another network's: norm"):
        load_weights(TinyNet(), tmp_path / "final.safetensors")


def test_weights_of_another_module_are_refused_and_nothing_changes(checkpoint: Path) -> None:
    module = LanguageModel(ONLSTM(4, [8, 4], 2), len(WORDS))
    before = weights(module)
    for check in (check_weights, load_weights):
        with pytest.raises(
            UserError, match=r"best\.ckpt: the checkpoint is of another model: net\.layers\.0"
        ) as raised:
            check(module, checkpoint)
        assert "\n" not in str(raised.value)
    assert same(weights(module), before)


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello\nworld\n")
    torch.save([1, 2], tmp_path / "list")
    torch.save({"weights": 3}, tmp_path / "dictionary")
    torch.save({"state_dict": 3}, tmp_path / "number")
    whole = tmp_path / "whole"
    torch.save({"state_dict": {"a": torch.zeros(1000)}}, whole)
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-2000])
    read_checkpoint(whole)
    for name in ("empty", "text", "list", "dictionary", "number", "cut", "nowhere", "."):
        with pytest.raises(UserError) as raised:
            read_checkpoint(tmp_path / name)
        assert str(raised.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "error", [struct.error("unpack"), AssertionError(), MemoryError(), RecursionError("deep"), OverflowError("large")]
)
def test_whatever_a_damaged_file_makes_torch_raise_is_one_line(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"state_dict": {}}, tmp_path / "x.ckpt")

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(UserError, match=r"x\.ckpt: (not a checkpoint|damaged)") as raised:
        read_checkpoint(tmp_path / "x.ckpt")
    assert "\n" not in str(raised.value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_anywhere_is_one_line(tmp_path: Path, data: st.DataObject) -> None:
    """Of both formats that torch writes; the older one has no checksums, so that damage may pass there."""
    new = data.draw(st.booleans())
    torch.save({"state_dict": {"a": torch.ones(40)}, "epoch": 3}, tmp_path / "x", _use_new_zipfile_serialization=new)
    content = bytearray((tmp_path / "x").read_bytes())
    start = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[start:]
    else:
        content[start : start + 4] = data.draw(st.binary(min_size=1, max_size=4))
    (tmp_path / "x").write_bytes(bytes(content))
    with warnings.catch_warnings(), suppress(UserError):
        warnings.simplefilter("ignore")
        found = read_checkpoint(tmp_path / "x")
        assert not new or same(found["state_dict"], {"a": torch.ones(40)}), "read as something else"


def test_an_archive_that_unpacks_to_more_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(10**7))
    with pytest.raises(UserError, match=r"x\.ckpt: not a checkpoint \(compressed"):
        read_checkpoint(tmp_path / "x.ckpt")


@pytest.mark.parametrize("name", hostile_objects(Path("witness")))
def test_code_in_a_checkpoint_is_not_run(name: str, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    torch.save({"state_dict": {}, "more": hostile_objects(witness)[name]}, tmp_path / "x.ckpt")
    with pytest.raises(UserError, match="holds code besides weights") as raised:
        read_checkpoint(tmp_path / "x.ckpt")
    assert "\n" not in str(raised.value)
    assert not witness.exists()


def test_what_a_ticket_takes_from_the_moment_that_it_begins_at() -> None:
    group = {"lr": 0.1, "params": [0]}
    moment = {
        "state_dict": {"net._orig_mod.a": torch.ones(2), "b": torch.ones(1)},
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [group]}],
        "lr_schedulers": [{"last_epoch": 5}],
        "loops": {"fit_loop": 3},
        "rng": [1],
        "global_step": 5,
        "current_model_state": {"b": torch.ones(1)},
        "averaging_state": {"n_averaged": 3},
        "live_weights": {"b": torch.ones(1)},
        "callbacks": {"Recorder{'a': 1}": 1, "Recorded": 2, "Other": 3, "Ticket": 4},
    }
    kept = {name: dict(value) if isinstance(value, dict) else value for name, value in moment.items()}
    ticket = {"net.a": torch.tensor([0.0, 2.0]), "b": torch.tensor([7.0]), "more": torch.zeros(1)}
    made = ticket_checkpoint(moment, ticket, {"Ticket": 5, "New": 6}, fresh=("Recorder",))
    assert same(made["state_dict"], {"net.a": ticket["net.a"], "b": ticket["b"]})
    assert made["optimizer_states"] == [{"state": {}, "param_groups": [group]}]
    assert made["callbacks"] == {"Recorded": 2, "Other": 3, "Ticket": 5, "New": 6}
    for name in ("lr_schedulers", "loops", "rng", "global_step"):
        assert made[name] == moment[name]
    averaged = {"current_model_state", "averaging_state", "live_weights"}
    assert made.keys() == moment.keys() - averaged, "averages are those of the dense network's weights"
    assert moment["callbacks"] == kept["callbacks"], "the moment is left as it was"
    assert moment["optimizer_states"][0]["state"]  # type: ignore[index]


def test_a_training_does_not_begin_with_weights_alone(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 1)
    whole = {"state_dict": module.state_dict(), "optimizer_states": [], "lr_schedulers": [], "loops": {}}
    torch.save(whole, tmp_path / "whole.ckpt")
    check_start(module, tmp_path / "whole.ckpt")
    torch.save({"state_dict": module.state_dict()}, tmp_path / "imported.ckpt")
    with pytest.raises(UserError, match=r"imported\.ckpt: holds the weights of a network and nothing of its training"):
        check_start(module, tmp_path / "imported.ckpt")
