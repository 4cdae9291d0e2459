"""Modules and data as users write them: nothing of ours in them. Tests copy this file beside the command line."""

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

SIZE, CLASSES = 12, 4


class Base(LightningModule):
    """Logs what most modules log."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        logits = self(batch[0])
        self.log("val_loss", F.cross_entropy(logits, batch[1]))
        self.log("val_acc", (logits.argmax(1) == batch[1]).float().mean())

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log("test_acc", (self(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


class Block(nn.Module):
    """A residual block with BatchNorm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class ResNet(Base):
    """Convolutions, BatchNorm, dropout."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *(nn.Conv2d(1, width, 3, stride=2), Block(width), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            *(nn.Dropout(0.1), nn.Linear(width, CLASSES)),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


class Recurrent(Base):
    """PyTorch's own LSTM over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(SIZE, 8, batch_first=True), nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.rnn(images[:, 0])[0][:, -1])


class TwoInputs(Base):
    """A batch of ((left half, right half), labels)."""

    def __init__(self) -> None:
        super().__init__()
        half = SIZE * SIZE // 2
        self.left, self.right, self.head = nn.Linear(half, 8), nn.Linear(half, 8), nn.Linear(16, CLASSES)

    def forward(self, halves: tuple[Tensor, Tensor]) -> Tensor:
        left, right = (half.flatten(1) for half in halves)
        return self.head(torch.cat([self.left(left), self.right(right)], 1).relu())


class Tied(Base):
    """Two layers with one weight, and one that is tied to an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(SIZE * SIZE, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.third.weight = self.second.weight
        self.labels, self.head = nn.Embedding(CLASSES, 16), nn.Linear(16, CLASSES)
        self.head.weight = self.labels.weight

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.third(self.second(self.first(images.flatten(1)).relu()).relu()))


class Compiled(Base):
    """An inner network that is compiled."""

    def __init__(self) -> None:
        super().__init__()
        net = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 16), nn.BatchNorm1d(16), nn.Linear(16, CLASSES))
        self.net = torch.compile(net, backend="eager")

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


class Images(LightningDataModule):
    """Noise with a bright row that tells the class, in plain DataLoaders.

    Args:
        workers: processes of the training loader.
    """

    def __init__(self, workers: int = 0) -> None:
        super().__init__()
        self.workers = workers

    def setup(self, stage: str | None = None) -> None:
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(240, 1, SIZE, SIZE, generator=generator)
        labels = torch.randint(0, CLASSES, (240,), generator=generator)
        images[torch.arange(240), 0, labels * 3] += 1.5
        self.sets = [
            TensorDataset(images[part], labels[part]) for part in (slice(160), slice(160, 200), slice(200, 240))
        ]

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.sets[0], 32, shuffle=True, num_workers=self.workers)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.sets[1], 40)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.sets[2], 40)


class Halves(Images):
    """Pairs of half images."""

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        for place, part in enumerate(self.sets):
            images, labels = part.tensors
            self.sets[place] = [((a, b), y) for a, b, y in zip(images[:, :, :6], images[:, :, 6:], labels, strict=True)]
