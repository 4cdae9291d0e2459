"""The parts of a training step sum to the step, and the step is that of the configurations."""

import itertools
from collections import Counter
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pytest
import torch
from helpers.configs import composed

from app.bench import step
from app.bench.sizes import FULL, PAPER, QUICK, SMALL, ModelSize
from app.bench.step_breakdown import AVERAGING, BACKWARD, CLIP, FORWARD, SGD, MarkedModel, StepBreakdown, Way
from app.bench.tasks import Setting
from app.modules import LanguageModel
from app.nets import ONLSTM
from app.nets.fused import bf16
from datamodules.ptb import FILES

TINY = replace(SMALL, name="tiny", embedding=20, layers=(30, 20))
SETTING = Setting(sizes=replace(QUICK, words=50, batch=4, bptt=7, step_seconds=0, small=TINY, paper=TINY))


def test_parts_sum_to_the_time() -> None:
    times = iter([10.0, 11.0, 13.0, 16.0, 100.0, 104.0])
    breakdown = StepBreakdown(lambda: next(times))
    breakdown.start()
    for part in ("a", "b", "a"):
        breakdown.mark(part)
    assert breakdown.step() == {("a", FORWARD): 4, ("b", FORWARD): 2}
    breakdown.start()
    breakdown.mark("a", BACKWARD)
    assert breakdown.step() == {("a", BACKWARD): 4}


def test_steps_take_turns_and_have_all_parts() -> None:
    found = step.steps(SETTING, TINY, tuple(Way))
    assert {way: len(those) for way, those in found.items()} == dict.fromkeys(Way, 3)
    both = {"embedding and dropout", "layer 1", "layer 2", "softmax and loss", "AR and TAR"}
    for one in itertools.chain(*found.values()):
        assert set(one) == {*((part, way) for part in both for way in (FORWARD, BACKWARD))} | {
            (part, FORWARD) for part in (CLIP, SGD, AVERAGING, "other")
        }
        assert all(seconds > 0 for seconds in one.values())


def test_the_turns_differ_in_how_and_not_in_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused and eager take turns; loss and gradients are those of the plain language model."""
    ways: Counter[str] = Counter()
    for name in ("read", "read_eagerly"):
        _count(monkeypatch, name, ways)
    torch.manual_seed(0)
    size = replace(TINY, dropout=0.0, weight_dropout=0.0, dropout_input=0.0, dropout_output=0.0)
    marked = step.model(MarkedModel, size, 50)
    plain = LanguageModel(ONLSTM(20, [30, 20], 10), 50, alpha=step.ALPHA, beta=step.BETA)
    plain.load_state_dict(marked.state_dict())
    breakdown = StepBreakdown()
    marked.watch(breakdown)
    window = _window(50)
    right = plain.training_step(window, 0)
    right_gradients = torch.autograd.grad(right, list(plain.parameters()))
    ways.clear()
    for way, name in ((Way.FLOAT32, "read"), (Way.EAGER, "read_eagerly"), (Way.MIXED, "read")):
        marked._state = None
        marked.use(way)
        breakdown.start()
        loss = marked.training_step(window, 0)
        gradients = torch.autograd.grad(loss, list(marked.parameters()))
        assert ways.pop(name) == 2
        assert not ways
        near = {"rtol": 0.02, "atol": 0.02} if way == Way.MIXED else {}
        torch.testing.assert_close(loss, right, **near)
        torch.testing.assert_close(gradients, right_gradients, **near)
        assert way != Way.MIXED or not torch.equal(loss, right)


def _count(monkeypatch: pytest.MonkeyPatch, name: str, calls: "Counter[str]") -> None:
    from app.nets import recurrent

    where: Any = recurrent if name == "read" else recurrent.RecurrentLayer
    original = getattr(where, name)

    def counted(*arguments: Any) -> Any:
        calls[name] += 1
        return original(*arguments)

    monkeypatch.setattr(where, name, counted)


def _window(words: int) -> Any:
    from datamodules.windows import Window

    tokens = torch.randint(words, (8, 4))
    return Window(tokens[:-1], tokens[1:], 7, 7)


def test_every_step_is_counted_once() -> None:
    """A warm-up and three steps."""
    ended: list[dict[str, Any]] = []
    found = step.steps(replace(SETTING, tick=lambda: ended.append({})), TINY, (Way.FLOAT32,))
    assert list(found) == [Way.FLOAT32]
    assert len(found[Way.FLOAT32]) == 3


def test_shares_sum_to_the_whole() -> None:
    found = step.shares([{("a", FORWARD): 1.0, ("a", BACKWARD): 2.0, ("b", FORWARD): 1.0}] * 3)
    assert [(row.what, row.share) for row in found] == [("a", 0.75), ("b", 0.25)]


@pytest.mark.parametrize("instructions", ["AMX", "AVX512_BF16", None])
def test_lines_of_the_table(instructions: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the full benchmark has an eager reference for the paper's model; instructions have goals."""

    def steps(_: Setting, size: ModelSize, turns: tuple[Way, ...]) -> Any:
        return {
            way: [{("softmax", FORWARD): seconds}] * 3 for way, seconds in zip(turns, (3.0, 1.0, 6.0), strict=False)
        }

    monkeypatch.setattr(step, "steps", steps)
    monkeypatch.setattr(bf16, "instructions", lambda: instructions)
    for full in (False, True):
        setting = replace(SETTING, sizes=replace(SETTING.sizes, paper_before=full))
        for task, reference in zip(step.tasks(setting), (True, full), strict=False):
            rows = [row.plain() for row in task.run()]
            speeds = [row for row in rows if "ours" in row]
            assert {row["unit"] for row in speeds} == {"tokens/s"}
            assert {row["count"] for row in speeds} == {28}
            assert (speeds[0]["reference"] is not None) == reference
            assert len(speeds) == 1 + (instructions is not None)
            if instructions:
                goals = {"AMX": ("≥ 2.5", True), "AVX512_BF16": ("≥ 1.5", True)}
                assert (speeds[1]["goal"], speeds[1]["met"]) == goals[instructions]
                assert speeds[1]["ratio"]["median"] == 3
            assert [row["share"] for row in rows if "share" in row] == [1.0] * len(speeds)


@pytest.mark.parametrize(("size", "name"), [(SMALL, "on_lstm_small.yaml"), (PAPER, "on_lstm.yaml")])
def test_the_models_are_those_of_the_configurations(
    size: ModelSize, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed(f"ptb/{name}", monkeypatch=monkeypatch)
    given, trainer = config["model"]["init_args"], config["trainer"]
    net, optimizer = given["net"]["init_args"], given["optimizer"]["init_args"]
    assert asdict(size) == {
        "name": size.name,
        "embedding": net["input_size"],
        "layers": tuple(net["layer_sizes"]),
        "dropout": net["dropout"],
        "weight_dropout": net["weight_dropout"],
        **{name: given[name] for name in ("dropout_embedding", "dropout_input", "dropout_output")},
    }
    constants = (step.CHUNK, step.LEARNING_RATE, step.DECAY, step.ALPHA, step.BETA, step.CLIPPED_TO)
    told = net["chunk_size"], optimizer["lr"], optimizer["weight_decay"], given["alpha"], given["beta"]
    assert constants == (*told, trainer["gradient_clip_val"])
    assert (FULL.words, FULL.batch, FULL.bptt) == (
        FILES[0].different,
        config["data"]["init_args"]["batch_size"],
        config["data"]["init_args"]["bptt"],
    )
    built = step.model(MarkedModel, size, 100)
    assert isinstance(built, MarkedModel)
    assert built.dropouts["output"] == given["dropout_output"]


def test_partial_optimizer_is_sgd() -> None:
    model = step.model(MarkedModel, TINY, 50)
    assert isinstance(model.optimizer, partial)
    assert isinstance(model.configure_optimizers(), torch.optim.SGD)
