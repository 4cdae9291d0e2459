"""What stacked networks are compared with, and on what data."""

import gzip
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.common.seeds import generator
from app.nets import LeNet
from app.stacked import EvaluationSet, Orders, StackedTraining, stack

BATCH = 60  # images
LEARNING_RATE = 1.2e-3
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class Conv2(nn.Module):
    """Conv-2 of Frankle & Carbin (2019), Figure 2, for CIFAR-10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, 64, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(64 * 16 * 16, 256), nn.Linear(256, 256)
        self.output = nn.Linear(256, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = F.max_pool2d(torch.relu(self.conv2(torch.relu(self.conv1(images)))), 2).flatten(1)
        logits: Tensor = self.output(torch.relu(self.fc2(torch.relu(self.fc1(hidden)))))
        return logits


@dataclass(frozen=True)
class Setting:
    """What everything is measured with."""

    device: torch.device
    images: Tensor  # training images, then 10,000 for test
    labels: Tensor
    test: int
    seconds: float  # of one measurement
    networks: tuple[int, ...]

    @property
    def splits(self) -> list[tuple[Tensor, Tensor]]:
        """Rows for training and validation of five replicates."""
        rest = len(self.images) - self.test
        val = rest // 12
        found = []
        for replicate in range(5):
            rows = torch.randperm(rest, generator=generator(replicate))
            found.append((rows[val:].sort().values, rows[:val].sort().values))
        return found


def make_setting(folder: Path | None, device: torch.device, *, toy: bool) -> Setting:
    if folder is not None:
        images, labels = _read(folder)
    else:
        images = torch.rand(70_000, 784, generator=generator(0))
        labels = torch.randint(10, (70_000,), generator=generator(1))
    test = 10_000
    if toy:
        images, labels, test = images[:1_300], labels[:1_300], 100
    return Setting(device, images, labels, test, 0.2 if toy else 1.0, (1, 3) if toy else (1, 5, 25, 50, 105))


def _read(folder: Path) -> tuple[Tensor, Tensor]:
    """MNIST's 60,000 training and 10,000 test images."""
    found = []
    for name in NAMES:
        path = next(path for path in folder.rglob(f"{name}*") if path.is_file())
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        begin = 4 + 4 * raw[3]
        found.append(torch.frombuffer(bytearray(raw[begin:]), dtype=torch.uint8))
    images = torch.cat(found[0::2]).view(-1, 784).float().div_(255)
    return images, torch.cat(found[1::2]).long()


def stacked(
    setting: Setting,
    networks: int,
    *,
    dtype: torch.dtype = torch.float32,
    graph: bool | None = None,
    make: Callable[[], nn.Module] = LeNet,
) -> tuple[StackedTraining, list[nn.Module], list[dict[str, Tensor]]]:
    """Networks of five replicates, each with a mask of its own; beside them the same as modules, with their masks."""
    nets, masks = [], []
    for number in range(networks):
        torch.manual_seed(number)
        nets.append(make().to(dtype))
        shapes = {name: value.shape for name, value in nets[-1].named_parameters() if value.dim() > 1}
        masks.append({name: torch.rand(shape, generator=generator(number)) < 0.5 for name, shape in shapes.items()})
    many = stack(nets[0], [net.state_dict() for net in nets])
    which = sorted(number % 5 for number in range(networks))
    splits = setting.splits
    training = StackedTraining(
        many,
        many.layout.pack([dict(net.named_parameters()) for net in nets], dtype=dtype),
        many.layout.pack(masks, dtype=torch.bool, fill=True),
        partial(torch.optim.Adam, lr=LEARNING_RATE, fused=True),
        setting.images.to(dtype),
        setting.labels,
        Orders([splits[replicate][0] for replicate in which], which, BATCH),
        device=setting.device,
        graph=graph,
    )
    return training, nets, masks


def evaluation_sets(setting: Setting, networks: int) -> list[list[EvaluationSet]]:
    """The validation sets of the replicates, and the test set of all."""
    which = sorted(number % 5 for number in range(networks))
    images, labels = setting.images.to(setting.device), setting.labels.to(setting.device)
    validation = []
    for replicate in sorted(set(which)):
        rows = setting.splits[replicate][1].to(setting.device)
        begin = which.index(replicate)
        validation.append(EvaluationSet(images[rows], labels[rows], range(begin, begin + which.count(replicate))))
    test = EvaluationSet(images[-setting.test :], labels[-setting.test :], range(networks))
    return [validation, [test]]


@dataclass
class Alone:
    """One network in a plain loop of PyTorch, with masks, as a network of a lottery is trained."""

    setting: Setting
    net: nn.Module
    masks: dict[str, Tensor]
    images: Tensor
    replicate: int = 0
    iteration: int = 0
    order: Tensor = field(default_factory=lambda: torch.zeros(0))

    def __post_init__(self) -> None:
        device = self.setting.device
        self.net.to(device)
        self.images, self.labels = self.images.to(device), self.setting.labels.to(device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=LEARNING_RATE, fused=True)
        self.masked = [(self.net.get_parameter(name), mask.to(device)) for name, mask in self.masks.items()]
        self.apply_masks()

    @torch.no_grad()
    def apply_masks(self) -> None:
        for weight, mask in self.masked:
            weight.mul_(mask)

    def advance(self, iterations: int) -> None:
        rows = self.setting.splits[self.replicate][0] if self.iteration == 0 else self.rows
        self.rows, batches = rows, -(-len(rows) // BATCH)
        for _ in range(iterations):
            epoch, batch = divmod(self.iteration, batches)
            if batch == 0:
                drawn = torch.randperm(len(rows), generator=generator(self.replicate, epoch))
                self.order = rows[drawn].to(self.setting.device)
            some = self.order[batch * BATCH : (batch + 1) * BATCH]
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(self.images[some]), self.labels[some]).backward()
            for weight, mask in self.masked:
                assert weight.grad is not None
                weight.grad.mul_(mask)
            self.optimizer.step()
            self.apply_masks()
            self.iteration += 1

    @torch.no_grad()
    def evaluate(self, sets: list[list[EvaluationSet]]) -> list[float]:
        found = []
        for part in sets:
            images, labels, _ = part[0]
            logits = self.net(images)
            found += [F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()]
        return found
