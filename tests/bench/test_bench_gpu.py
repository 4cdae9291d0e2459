from dataclasses import replace

import pytest
import torch

from app.bench import gpu, gpu_epoch
from app.bench.rows import Comparison, Note
from app.bench.sizes import QUICK, ModelSize
from app.bench.tasks import Setting

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
        module = gpu_epoch.model(TINY, 30)
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
