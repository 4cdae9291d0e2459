from dataclasses import replace

import pytest
import torch

from app.bench import gpu, gpu_epoch
from app.bench.machine import has_bf16_products
from app.bench.rows import Comparison, Difference, Note
from app.bench.sizes import QUICK, LayerSize, ModelSize
from app.bench.step import model
from app.bench.tasks import Setting
from app.modules import LanguageModel

TINY = ModelSize(
    name="tiny",
    embedding=10,
    layers=(20, 10),
    dropout=0.1,
    weight_dropout=0.2,
    dropout_embedding=0.1,
    dropout_input=0.1,
    dropout_output=0.1,
)
SETTING = Setting(sizes=replace(QUICK, batch=2, bptt=6))


@pytest.mark.parametrize("precision", gpu_epoch.PRECISIONS)
def test_an_epoch_is_timed_by_both_loops(precision: str) -> None:
    *timed, told = gpu_epoch.measure(SETTING, precision, "cpu", TINY, 30, 80, 3)
    assert all(isinstance(row, Comparison) and min(*row.ours, *row.reference) > 0 for row in timed)
    assert isinstance(told, Note)
    assert "s an epoch through Lightning; goal ≤ 7 s: yes" in told.what


def test_the_bare_loop_trains_as_lightning_does() -> None:
    """With the same random numbers, both loops end with the same weights."""
    from datamodules.windows import WindowLoader

    torch.manual_seed(0)
    text = torch.randint(30, (60, 2))
    ended = []
    for how in ("bare", "lightning"):
        torch.manual_seed(1)
        module = model(LanguageModel, TINY, 30)
        torch.manual_seed(2)
        loader = WindowLoader(text, 6, seed=0)
        if how == "bare":
            gpu_epoch.bare_loop(module, iter(loader), "cpu", "float32")
        else:
            gpu_epoch.through_lightning(module, loader, "cpu", "float32", 1)
        ended.append(torch.cat([weight.detach().flatten() for weight in module.parameters()]))
    assert ended[0].equal(ended[1])


def test_without_a_gpu_the_section_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (task,) = gpu.SECTION.tasks(SETTING)
    (row,) = task.run()
    assert row.plain() == {"note": gpu.TURNED_OFF}


def test_layers_are_compared_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on a GPU, here on the CPU and small."""
    small = LayerSize(5, 2, 6, 20)
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    if not has_bf16_products():  # there nn.LSTM has no bfloat16 either
        monkeypatch.delitem(gpu.PRECISIONS, "bf16-mixed")
    monkeypatch.setattr(gpu, "SIZES", (small,))
    monkeypatch.setattr(gpu, "SHAPES", ((small, 5),))
    monkeypatch.setattr(gpu_epoch, "tasks", lambda setting: [])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.rnn
    before = [backend.fp32_precision for backend in backends]
    setting = Setting(sizes=replace(QUICK, layer_seconds=0.0))
    tasks = gpu.SECTION.tasks(setting)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    rows = [row for task in tasks for row in task.run()]
    equal, timed = ([row for row in rows if isinstance(row, kind)] for kind in (Difference, Comparison))
    assert [row.what for row in equal] == [
        f"{precision} {net} 5x2, 6→20" for net in ("ONLSTM", "LSTM") for precision in gpu.PRECISIONS
    ]
    assert all(row.met and row.gradients > 0 for row in equal)
    assert len(timed) == 3 * len(gpu.PRECISIONS)
    assert all(len(row.ours) == len(row.reference) >= 3 for row in timed)
    assert [backend.fp32_precision for backend in backends] == before
