"""The training steps that are timed, and the memory that is read."""

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from app.bench import image_training, images
from app.bench.image_training import RECIPES, PeakMemory, training_step
from app.bench.sizes import FULL, QUICK
from app.bench.tasks import Setting


class Counted(nn.Module):
    """Counts its calls, and notes the layout of its images."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(3 * 4 * 4, 10)
        self.layouts: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.layouts.append(x.is_contiguous(memory_format=torch.channels_last))
        return self.output(x.flatten(1))


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_step_trains_in_the_layout(channels_last: bool) -> None:
    net = Counted()
    before = net.output.weight.detach().clone()
    recipe = replace(RECIPES["Conv-2"], make=lambda: net, batch=4, image=(3, 4, 4))
    step = training_step(recipe, channels_last=channels_last, seed=0)
    step()
    once = net.output.weight.detach().clone()
    step()
    assert net.layouts == [channels_last] * 2
    assert not once.equal(before)
    assert not net.output.weight.equal(once)


def test_every_network_of_the_sizes_has_a_recipe() -> None:
    assert set(FULL.nets) == set(RECIPES)
    assert set(QUICK.nets) < set(RECIPES)
    assert {name: recipe.batch for name, recipe in RECIPES.items() if recipe.batch != 60} == {
        "ResNet-20": 128,
        "VGG-19": 64,
    }


def test_rows_are_speeds_and_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "peak_memory", lambda name, threads: PeakMemory(300 * 2**20, 20 * 2**20))
    net = replace(RECIPES["Conv-2"], make=Counted, batch=4, image=(3, 4, 4))
    monkeypatch.setitem(RECIPES, "Conv-2", net)
    speed, memory = (
        row
        for task in images.tasks(Setting(sizes=replace(QUICK, nets=("Conv-2",), image_seconds=0)))
        for row in task.run()
    )
    assert speed.plain()["unit"] == "it/s"
    assert len(speed.plain()["ours_seconds"]) == len(speed.plain()["reference_seconds"]) >= 3
    assert speed.plain()["goal"] == "≥ 1.15"
    assert memory.cells() == ("Conv-2", "300 MB", "20 MB")
    assert memory.plain() == {"what": "Conv-2", "process_bytes": 300 * 2**20, "training_bytes": 20 * 2**20}


def test_the_program_prints_its_peak(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([100, 700, 700])
    monkeypatch.setattr(image_training, "_peak", lambda: next(peaks))
    monkeypatch.setitem(RECIPES, "Conv-2", replace(RECIPES["Conv-2"], make=Counted, batch=4, image=(3, 4, 4)))
    image_training.main("Conv-2", str(torch.get_num_threads()))
    assert json.loads(capsys.readouterr().out) == {"process": 700, "training": 600}


@pytest.mark.slow
def test_memory_is_that_of_a_process_of_its_own() -> None:
    found = image_training.peak_memory("LeNet", 1)
    weights = 4 * 266_610
    assert found.process > found.training > 4 * weights, "weights, gradients and two moments"
    assert found.process > 50 * 2**20, "a process that has imported torch"
