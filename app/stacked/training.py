"""The training of N networks at once: the iterations, on a GPU as replays of a CUDA graph."""

# N networks, P parameters of one with padding, B rows of a batch, C classes, K iterations between two countings.

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from app.stacked.evaluation import Means
from app.stacked.networks import StackedNetworks
from app.stacked.optimizer import Clipping, stacked_optimizer
from app.stacked.orders import Orders

COUNT_EVERY = 100  # iterations after which losses and right answers are counted, as for one network
EAGER_FIRST = 3  # iterations with batches of a size before their CUDA graph: in them everything kept is allocated


class StackedTraining:
    """N networks that are trained as each would be alone, up to rounding.

    Masked weights get no gradient, begin at 0 and so stay exactly 0, whatever momentum and weight decay do.

    Args:
        networks: the architecture; its buffers are moved to the device.
        flat: the parameters (N, P) that they begin with; on the CPU.
        masks: bool (N, P), False where a weight stays 0; None where none does.
        make_optimizer: makes the optimiser of one network.
        images: all images, (M, ...); kept on the device.
        labels: int64 (M,).
        orders: which rows each network sees.
        device: where everything is done.
        clipping: of the gradients; None for none.
        graph: whether to make a CUDA graph; by default on a GPU.

    Attributes:
        flat: the parameters, (N, P).
        images: on the device.
        labels: on the device.
        iteration: iterations done.
    """

    def __init__(
        self,
        networks: StackedNetworks,
        flat: Tensor,
        masks: Tensor | None,
        make_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        images: Tensor,
        labels: Tensor,
        orders: Orders,
        *,
        device: torch.device,
        clipping: Clipping | None = None,
        graph: bool | None = None,
    ) -> None:
        self.networks, self.orders, self.device, self.clipping = networks, orders, device, clipping
        networks.buffers = {name: value.to(device) for name, value in networks.buffers.items()}
        self.flat = nn.Parameter(flat.to(device).clone())
        self._masks = None if masks is None or bool(masks.all()) else masks.to(device)
        if self._masks is not None:
            self.flat.data.mul_(self._masks)
        self.flat.grad = torch.zeros_like(self.flat)
        self._parameters = networks.layout.views(self.flat.detach())
        self._gradients = networks.layout.views(self.flat.grad)
        # A norm to clip by is that of the masked gradients: these have to be masked before.
        in_step = None if clipping is not None else self._masks
        self.optimizer, self._masks_in_step = stacked_optimizer(make_optimizer, self.flat, in_step)
        self.images, self.labels = images.to(device), labels.to(device)
        self.iteration = 0
        self._graphed = device.type == "cuda" if graph is None else graph
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._eager: Counter[int] = Counter()
        self._order, self._epoch = torch.zeros(0), -1
        self._wanted = torch.zeros(0)
        # On the device, so that a graph finds its place in the order without the host.
        self._places = torch.zeros(2, dtype=torch.int64, device=device)
        self._batch, self._slot = self._places[:1], self._places[1:]
        self._logs: Tensor | None = None  # (K, N, B, C)
        self._pending: list[tuple[int, int]] = []  # the batch and its size, of the iterations that are not counted
        self.reset_means()

    def implementations(self) -> dict[str, str]:
        """By what the weights are updated."""
        return {"stacked optimiser": type(self.optimizer).__name__}

    def advance(self, iterations: int) -> None:
        """Train so many iterations. On a GPU it returns before they are done."""
        end = self.iteration + iterations
        while self.iteration < end:
            epoch, batch = divmod(self.iteration, self.orders.batches)
            if epoch != self._epoch:
                self._count()
                self._begin_epoch(epoch, batch)
            self._step(batch)
            self.iteration += 1
            if len(self._pending) == COUNT_EVERY:
                self._count()

    def _begin_epoch(self, epoch: int, batch: int) -> None:
        order = self.orders.epoch(epoch, self.device)
        wanted = self.labels[order]
        if self._epoch < 0:
            self._order, self._wanted = order, wanted
        else:  # in place: the graphs read these tensors
            self._order.copy_(order)
            self._wanted.copy_(wanted)
        self._epoch = epoch
        self._batch.fill_(batch)

    def _step(self, batch: int) -> None:
        size = self.orders.size(batch)
        if not self._graphed or self._eager[size] < EAGER_FIRST:
            self._iterate(size)
            self._eager[size] += 1
        else:
            if size not in self._graphs:
                self._graphs[size] = self._captured(size)
            self._graphs[size].replay()
        self._pending.append((batch, size))

    def _captured(self, size: int) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        pool = next(iter(self._graphs.values())).pool() if self._graphs else None
        with torch.cuda.graph(graph, pool=pool):
            self._iterate(size)
        return graph

    @torch.no_grad()
    def _iterate(self, size: int) -> None:
        networks = len(self.flat)
        rows = self._order[:, :, :size].index_select(0, self._batch).view(-1)
        labels = self._wanted[:, :, :size].index_select(0, self._batch)[0]
        images = self.images.index_select(0, rows).view(networks, size, *self.images.shape[1:])
        logs = self.networks.backward(self._parameters, self._gradients, images, labels)
        assert self.flat.grad is not None
        if self._masks is not None and not self._masks_in_step:
            self.flat.grad.mul_(self._masks)
        if self.clipping is not None:
            self.clipping.apply_(self.flat.grad)
        self.optimizer.step()
        if self._logs is None:
            self._logs = self._room_for_logs(logs.shape[2], logs.dtype)
        self._logs[:, :, :size].index_copy_(0, self._slot, logs.unsqueeze(0))
        self._places += 1

    def _room_for_logs(self, classes: int, dtype: torch.dtype) -> Tensor:
        shape = COUNT_EVERY, len(self.flat), self.orders.batch_size, classes
        return torch.zeros(shape, dtype=dtype, device=self.device)

    @torch.no_grad()
    def _count(self) -> None:
        """Add the losses and right answers of the last iterations; all lie in one epoch."""
        if not self._pending:
            return
        assert self._logs is not None
        first, done = self._pending[0][0], len(self._pending)
        logs, wanted = self._logs[:done], self._wanted[first : first + done]
        losses = -logs.gather(3, wanted.unsqueeze(3)).squeeze(3)  # (K, N, B)
        right = logs.argmax(3) == wanted
        if (size := self._pending[-1][1]) < self.orders.batch_size:  # the last batch of an epoch, filled up
            losses[-1, :, size:], right[-1, :, size:] = 0, False
        sums = losses.double().sum(2)
        self._losses += sums.sum(0)
        self._right += right.sum((0, 2))
        self._images_seen += sum(size for _, size in self._pending)
        self._pending = []
        self._slot.zero_()

    def reset_means(self) -> None:
        """Forget the training losses and right answers so far."""
        self._pending = []
        self._slot.zero_()
        networks = len(self.flat)
        self._losses = torch.zeros(networks, dtype=torch.float64, device=self.device)
        self._right = torch.zeros(networks, dtype=torch.int64, device=self.device)
        self._images_seen = 0

    def means(self) -> Means:
        """Mean loss and accuracy over the images of the iterations since `reset_means`; nan without any."""
        self._count()
        seen = self._images_seen or float("nan")
        return Means(self._losses / seen, self._right.double() / seen)

    def state_dict(self) -> dict[str, Any]:
        """Everything from which the training goes on to the same bits, on the CPU, under `weights_only=True`.

        What is not counted yet is left so: sums of other iterations would be rounded otherwise.
        """
        state: dict[str, Any] = _to_cpu(
            {
                "iteration": self.iteration,
                "flat": self.flat.detach(),
                "buffers": dict(self.networks.buffers),
                "optimizer": self.optimizer.state_dict(),
                "losses": self._losses,
                "right": self._right,
                "images": self._images_seen,
                "pending": [list(each) for each in self._pending],
                "logs": None if self._logs is None else self._logs[: len(self._pending)],
            }
        )
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.reset_means()
        self.iteration, self._images_seen = state["iteration"], state["images"]
        self.flat.data.copy_(state["flat"])
        for name, value in self.networks.buffers.items():
            value.copy_(state["buffers"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self._losses.copy_(state["losses"])
        self._right.copy_(state["right"])
        self._graphs, self._eager, self._epoch = {}, Counter(), -1
        self._resume_counting([(batch, size) for batch, size in state["pending"]], state["logs"])

    def _resume_counting(self, pending: list[tuple[int, int]], logs: Tensor | None) -> None:
        if not pending or logs is None:
            return
        epoch = (self.iteration - 1) // self.orders.batches
        self._begin_epoch(epoch, self.iteration - epoch * self.orders.batches)
        if self._logs is None:
            self._logs = self._room_for_logs(logs.shape[-1], logs.dtype)
        self._logs[: len(pending)] = logs
        self._pending = pending
        self._slot.fill_(len(pending))


def _to_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.cpu().clone()
    if isinstance(value, dict):
        return {key: _to_cpu(each) for key, each in value.items()}
    return [_to_cpu(each) for each in value] if isinstance(value, list) else value
