"""A whole lottery at once on a GPU: stacked networks beside networks alone, in equality and in speed.

    python tests/gpu/stack.py [FOLDER WITH MNIST] [--device cpu] [--toy]

Without a folder the images are random, which changes no time. It prints one table, in less than a minute on an H100.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from stack_setting import BATCH, LEARNING_RATE, Alone, Conv2, Setting, evaluation_sets, make_setting, stacked

from app.common import gpu_kernels
from app.common.seeds import generator
from app.nets import LeNet
from app.stacked import EvaluationSet, StackedTraining, evaluate

EVERY = 100  # iterations from one evaluation to the next
Row = tuple[str, str]


def equality(setting: Setting) -> Iterator[Row]:
    """The largest difference of a weight after 60 iterations, six epochs whose last batch is shorter."""
    setting = Setting(setting.device, setting.images[:650], setting.labels[:650], 50, 1, setting.networks)
    count = max(setting.networks[:2])
    for dtype in (torch.float64, torch.float32):
        training, nets, masks = stacked(setting, count, dtype=dtype)
        training.advance(60)
        views = training.networks.layout.views(training.flat.detach())
        which = sorted(number % 5 for number in range(count))
        worst = 0.0
        for number, (net, mask) in enumerate(zip(nets, masks, strict=True)):
            one = Alone(setting, net, mask, setting.images.to(dtype), which[number])
            one.advance(60)
            for name, value in one.net.named_parameters():
                worst = max(worst, float((views[name][number] - value.detach()).abs().max()))
        limit = {torch.float64: 1e-10, torch.float32: 1e-3}[dtype]
        said = "equal" if worst < limit else "NOT EQUAL"
        yield f"{count} LeNets, 60 iterations, {str(dtype)[6:]}: largest difference to alone", f"{worst:.1e} {said}"


def conv_equality(setting: Setting) -> Iterator[Row]:
    """The same for a network through vmap."""
    size = 400 if setting.device.type == "cpu" else 2_000
    images = torch.rand(size, 3, 32, 32, generator=generator(5))
    small = Setting(setting.device, images, setting.labels[:size], 100, setting.seconds, setting.networks)
    training, nets, masks = stacked(small, 2, dtype=torch.float64, make=Conv2)
    training.advance(5)
    views = training.networks.layout.views(training.flat.detach())
    worst = 0.0
    for number in range(2):
        one = Alone(small, nets[number], masks[number], images.double(), number)
        one.advance(5)
        for name, value in one.net.named_parameters():
            worst = max(worst, float((views[name][number] - value.detach()).abs().max()))
    said = "equal" if worst < 1e-10 else "NOT EQUAL"
    yield "2 Conv-2 through vmap, 5 iterations, float64: largest difference to alone", f"{worst:.1e} {said}"


class Timed:
    """Runs something for a while, several times, and tells the median of iterations a second."""

    def __init__(self, setting: Setting, advance: Callable[[int], None], evaluate: Callable[[], Any] | None) -> None:
        self.setting, self.advance, self.evaluate = setting, advance, evaluate
        self.speeds: list[float] = []
        self._run(EVERY if setting.device.type == "cuda" else 5)

    def _run(self, iterations: int) -> float:
        _wait(self.setting.device)
        began = time.perf_counter()
        self.advance(iterations)
        if self.evaluate is not None:
            self.evaluate()
        _wait(self.setting.device)
        return time.perf_counter() - began

    def measure(self) -> None:
        done, spent = 0, 0.0
        while spent < self.setting.seconds / 3:
            spent += self._run(EVERY)
            done += EVERY
        self.speeds.append(done / spent)

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def precision(name: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    torch.backends.cudnn.allow_tf32 = name == "high"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def speeds(setting: Setting, matmul: str) -> Iterator[Row]:
    """Iterations a second, alone and stacked, evaluated every 100 iterations."""
    if matmul == "high" and setting.device.type != "cuda":
        return
    said = {"highest": "float32", "high": "TF32"}[matmul]
    with precision(matmul):
        timed: dict[str, tuple[Timed, int]] = {}
        _, nets, masks = stacked(setting, 1)
        one, sets = Alone(setting, nets[0], masks[0], setting.images), evaluation_sets(setting, 1)
        timed["1 LeNet, plain PyTorch"] = Timed(setting, one.advance, partial(one.evaluate, sets)), 1
        for count in setting.networks:
            many, _, _ = stacked(setting, count)
            sets = evaluation_sets(setting, count)
            name = f"{count} LeNet{'s' * (count > 1)} stacked"
            timed[name] = Timed(setting, many.advance, partial(_evaluate, many, sets)), count
        count = setting.networks[-2]
        many, _, _ = stacked(setting, count)
        timed[f"{count} LeNets stacked, without evaluation"] = Timed(setting, many.advance, None), count
        gpu_kernels.choose(False)
        many, _, _ = stacked(setting, count)
        gpu_kernels.choose(True)
        timed[f"{count} LeNets stacked, the same without our kernel"] = Timed(setting, many.advance, None), count
        for _ in range(3):  # in turns: a change of the clock is then in all
            for each, _ in timed.values():
                each.measure()
        base = timed["1 LeNet, plain PyTorch"][0].speed
        graphed = timed["1 LeNet stacked"][0].speed
        for name, (each, count) in timed.items():
            yield (
                f"{said}: {name}",
                f"{each.speed:9,.0f} iterations/s, x networks {each.speed * count:11,.0f}/s = "
                f"{each.speed * count / base:6.1f} x plain, {each.speed * count / graphed:5.1f} x graph of one",
            )


def _evaluate(many: StackedTraining, sets: list[list[EvaluationSet]]) -> list[Any]:
    means = [many.means(), *(evaluate(many.networks, many.flat.detach(), one) for one in sets)]
    many.reset_means()
    return [value.cpu() for mean in means for value in mean]


def lightning_speed(setting: Setting) -> Iterator[Row]:
    """One network by Lightning's ordinary loop."""
    from lightning.pytorch import LightningDataModule, Trainer

    from app.modules import Classifier
    from datamodules import TensorLoader

    rows, validation = setting.splits[0]
    images, labels, device = setting.images, setting.labels, setting.device

    class Data(LightningDataModule):
        def _loader(self, which: Tensor, size: int, seed: int | None = None) -> TensorLoader:
            return TensorLoader((images[which].to(device), labels[which].to(device)), size, shuffle_seed=seed)

        def train_dataloader(self) -> TensorLoader:
            return self._loader(rows, BATCH, 0)

        def val_dataloader(self) -> list[TensorLoader]:
            test = torch.arange(len(images) - setting.test, len(images))
            return [self._loader(validation, 10_000), self._loader(test, 10_000)]

    def run(iterations: int) -> float:
        trainer = Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            max_steps=iterations,
            max_epochs=-1,
            val_check_interval=EVERY,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        data = Data()
        module = Classifier(LeNet(), partial(torch.optim.Adam, lr=LEARNING_RATE, fused=True))
        began = time.perf_counter()
        trainer.fit(module, datamodule=data)
        _wait(device)
        return time.perf_counter() - began

    run(EVERY)
    iterations = 2_000 if device.type == "cuda" else 200
    begin, whole = run(EVERY), run(EVERY + iterations)
    yield "float32: 1 LeNet, Lightning", f"{iterations / (whole - begin):9,.0f} iterations/s"


def conv_speeds(setting: Setting) -> Iterator[Row]:
    """Conv-2, five replicates at once through vmap against one after the other."""
    if setting.device.type != "cuda":
        return
    images = torch.rand(6_600, 3, 32, 32, generator=generator(5))
    setting = Setting(setting.device, images, setting.labels[:6_600], 600, setting.seconds, setting.networks)
    for matmul, said in (("highest", "float32"), ("high", "TF32")):
        with precision(matmul):
            _, nets, masks = stacked(setting, 1, make=Conv2)
            alone = Timed(setting, Alone(setting, nets[0], masks[0], images).advance, None)
            alone.measure()
            for count in (1, 5):
                many, _, _ = stacked(setting, count, make=Conv2)
                each = Timed(setting, many.advance, None)
                each.measure()
                yield (
                    f"{said}: {count} Conv-2 stacked, without evaluation",
                    f"{each.speed:9,.0f} iterations/s, x networks {each.speed * count:11,.0f}/s = "
                    f"{each.speed * count / alone.speed:6.1f} x plain ({alone.speed:,.0f}/s)",
                )


def ceilings(setting: Setting) -> Iterator[Row]:
    """What memory and matrix units can do, and the floor that follows from it."""
    if setting.device.type != "cuda":
        return
    source, target = (torch.rand(2**28, device=setting.device) for _ in range(2))
    bandwidth = 2 * source.numel() * 4 / _median_seconds(lambda: target.copy_(source))
    yield "memory: device-to-device copy, read and written", f"{bandwidth / 1e12:.2f} TB/s"
    a, b = (torch.randn(8192, 8192, device=setting.device) for _ in range(2))
    for matmul, said in (("highest", "float32"), ("high", "TF32")):
        with precision(matmul):
            rate = 2 * 8192**3 / _median_seconds(lambda: a @ b)
            yield f"{said}: product of 8192 x 8192", f"{rate / 1e12:.0f} TFLOP/s"
            size = 266_610
            seconds = [setting.networks[-2] * size * 4 * 10 / bandwidth, setting.networks[-2] * 68.2e6 / rate]
            yield (
                f"{said}: floor of an iteration of {setting.networks[-2]} LeNets (bytes; operations)",
                f"{seconds[0] * 1e6:.0f} us; {seconds[1] * 1e6:.0f} us",
            )


def _median_seconds(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(8):
        torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])


def kernels(setting: Setting) -> Iterator[Row]:
    """Where the time of an iteration goes."""
    if setting.device.type != "cuda":
        return
    from torch.profiler import ProfilerActivity, profile

    for matmul, said in (("highest", "float32"), ("high", "TF32")):
        with precision(matmul):
            many, _, _ = stacked(setting, setting.networks[-2], graph=False)
            many.advance(10)
            torch.cuda.synchronize()
            with profile(activities=[ProfilerActivity.CUDA]) as found:
                many.advance(20)
                torch.cuda.synchronize()
            times = sorted(found.key_averages(), key=lambda each: -each.self_device_time_total)
            total = sum(each.self_device_time_total for each in times) / 20
            yield f"{said}: kernels of an iteration of {setting.networks[-2]} LeNets", f"{total:.0f} us in all"
            for each in times[:14]:
                yield f"    {each.key[:90]}", f"{each.self_device_time_total / 20:7.1f} us, {each.count / 20:.1f} times"


def rows(setting: Setting) -> Iterator[Row]:
    """All measurements, one after the other."""
    parts = (
        partial(equality, setting),
        partial(conv_equality, setting),
        partial(ceilings, setting),
        partial(lightning_speed, setting),
        partial(speeds, setting, "highest"),
        partial(speeds, setting, "high"),
        partial(conv_speeds, setting),
        partial(kernels, setting),
    )
    for part in parts:
        began = time.perf_counter()
        try:
            yield from part()
        except Exception as error:  # the other rows are wanted all the same
            yield f"FAILED: {getattr(part.func, '__name__', part)}", f"{type(error).__name__}: {error}"[:500]
        yield f"({getattr(part.func, '__name__', part)})", f"{time.perf_counter() - began:.1f} s"


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, help="a folder with the four files of MNIST")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--toy", action="store_true", help="few images and networks, to try the script itself")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"stacked networks on {name}, torch {torch.__version__}, {'MNIST' if given.data else 'random images'}")
    setting = make_setting(given.data, device, toy=given.toy)
    for what, value in rows(setting):
        print(f"{what:100s} {value}", flush=True)


if __name__ == "__main__":
    main()
