"""Base class of data modules whose training, validation and test data are tensors with one row per example."""

from lightning.pytorch import LightningDataModule
from torch import Tensor

from app.common.errors import UserError
from datamodules.tensor_loader import TensorLoader


class TensorDataModule(LightningDataModule):
    """Makes the loaders of the parts "train", "val" and "test", which a subclass creates in `setup`.

    Args:
        batch_size: rows of a training batch, over all processes together.
        eval_batch_size: rows of an evaluation batch, over all processes together.
        order_seed: seed of the training order.

    Raises:
        UserError: a batch size below 1.
    """

    def __init__(self, batch_size: int, eval_batch_size: int, *, order_seed: int) -> None:
        super().__init__()
        for name, size in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if size < 1:
                raise UserError(f"data.{name} is {size}; expected 1 or more")
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self._order_seed = order_seed
        self._parts: dict[str, tuple[Tensor, ...]] = {}

    def prepare(self) -> None:
        """Prepare and set up the data without a Trainer."""
        self.prepare_data()
        self.setup("fit")

    def train_dataloader(self) -> TensorLoader:
        """All training rows, in a new order every epoch."""
        return self._loader("train", self.batch_size, shuffle_seed=self._order_seed)

    def val_dataloader(self) -> list[TensorLoader]:
        """Two loaders: 0 for validation, 1 for the test rows, which are evaluated at the same time."""
        return [self._loader("val", self.eval_batch_size), self.test_dataloader()]

    def test_dataloader(self) -> TensorLoader:
        """All test rows, in order."""
        return self._loader("test", self.eval_batch_size)

    def predict_dataloader(self) -> TensorLoader:
        """The test rows, in order."""
        return self.test_dataloader()

    def train_eval_dataloader(self) -> TensorLoader:
        """All training rows, in order, for evaluation."""
        return self._loader("train", self.eval_batch_size)

    def _part(self, name: str) -> tuple[Tensor, ...]:
        if not self._parts:
            raise self._not_ready()
        return self._parts[name]

    def _loader(self, name: str, batch_size: int, *, shuffle_seed: int | None = None) -> TensorLoader:
        part = self._part(name)
        if self.trainer:
            # Move the data once, so that no iteration has to copy its batch to the GPU.
            device = self.trainer.strategy.root_device
            part = self._parts[name] = tuple(tensor.to(device) for tensor in part)
        return self._make_loader(part, batch_size, shuffle_seed)

    def _make_loader(self, part: tuple[Tensor, ...], batch_size: int, shuffle_seed: int | None) -> TensorLoader:
        rank, world_size = self._rank()
        return TensorLoader(part, batch_size, shuffle_seed=shuffle_seed, rank=rank, world_size=world_size)

    def _rank(self) -> tuple[int, int]:
        """Which of how many processes this is."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _not_ready(self) -> UserError:
        return UserError(f"{type(self).__name__}: the data has not been read yet; call prepare() first")
