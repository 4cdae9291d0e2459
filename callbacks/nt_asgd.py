"""NT-ASGD: plain SGD whose weights are averaged once the validation loss stops falling."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from app.common.errors import UserError

AVERAGES, LIVE = KEPT = ("averages", "live")


def is_non_monotone(loss: float, before: Sequence[float], nonmono: int) -> bool:
    """Whether averaging should begin: the loss is above the best of all but the last `nonmono` losses before it.

    This is the rule of the AWD-LSTM code, which the ON-LSTM authors use; algorithm 1 of Merity et al. (2018) misprints
    it.

    Args:
        loss: the loss of this validation.
        before: the losses of the earlier validations, in their order.
        nonmono: the number of latest losses that are ignored.
    """
    return len(before) > nonmono and loss > min(before[: len(before) - nonmono])


class NTASGD(Callback):
    """Averages the weights of plain SGD from a non-monotone trigger on (Merity et al. 2018, section 3).

    Every step after the trigger updates the running mean of the weights. The model holds the averages during
    evaluation and the live weights during training. Once there are averages, a checkpoint's `state_dict` holds them, so
    that a model loaded from it evaluates them; the live weights are saved beside it as `live_weights`. At the end of
    training the model keeps the averages, so that tickets are drawn from these; every round begins its averages anew.

    With a constant learning rate this follows the rule of `torch.optim.ASGD(t0=0, lambd=0)`, which the authors switch
    to, bit for bit: the first weights after the trigger are replaced by the second, and from then on the mean is
    uniform. If the rate is scaled by the length of a window, that optimiser takes each step at the rate of the window
    before; here every step has its own rate.

    Args:
        nonmono: the number of validations that may be worse than the best one before averaging begins.
        finetune_epoch: the epoch, counted from 1, after which a new average begins if averaging has begun by then (the
            authors' `--finetuning`); never by default.
        monitor: the logged loss that the trigger follows.
        keep: the weights that the model has after the training, which a lottery tests and draws tickets from: the
            `averages`, if there are any, or the `live` ones.

    Raises:
        UserError: `nonmono` or `finetune_epoch` is below 1, or `keep` is something else; from `fit`, a checkpoint would
            not hold the averages, or the monitored loss is not logged.
    """

    def __init__(
        self,
        nonmono: int = 5,
        finetune_epoch: int | None = None,
        monitor: str = "val_loss",
        keep: str = "averages",
    ) -> None:
        for name, value in (("nonmono", nonmono), ("finetune_epoch", finetune_epoch)):
            if value is not None and value < 1:
                raise UserError(f"NTASGD: {name} is {value}; expected 1 or more")
        if keep not in KEPT:
            raise UserError(f"NTASGD: keep is {keep!r}; expected {' or '.join(KEPT)}")
        self.keep = keep
        self.nonmono = nonmono
        self.finetune_epoch = finetune_epoch
        self.monitor = monitor
        self.losses: list[float] = []  # of validations until averaging began
        self.triggered_at: int | None = None  # the iteration at which averaging (last) began
        self._steps = 0  # since then
        self._average: dict[str, Tensor] = {}
        self._live: dict[str, Tensor] = {}  # the training weights, while the model holds the averages

    @property
    def averaging(self) -> bool:
        """Whether there are averages."""
        return bool(self._average)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        weights_only = any(getattr(callback, "save_weights_only", False) for callback in trainer.checkpoint_callbacks)
        if stage == "fit" and weights_only:
            raise UserError(
                "NTASGD: a ModelCheckpoint with save_weights_only saves no averages; set its save_weights_only to false"
            )

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == 0:
            self._reset()
            self._live = {}
        self._put_live(pl_module)
        self._average = {name: value.to(pl_module.device) for name, value in self._average.items()}

    def _reset(self) -> None:
        self.losses, self.triggered_at, self._steps, self._average = [], None, 0, {}

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0 and self.averaging and trainer.current_epoch == self.finetune_epoch:
            # The averages so far are kept until the first step replaces them.
            self.triggered_at, self._steps = trainer.global_step, 0

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.triggered_at is None or trainer.global_step == self.triggered_at + self._steps:
            return  # not averaging, or gradients are being accumulated and no step was taken
        self._steps += 1
        parameters = _parameters(pl_module)
        if self._steps <= 2:
            self._average = {name: value.clone() for name, value in parameters.items()}
            return
        averages = [self._average[name] for name in parameters]
        torch._foreach_lerp_(averages, list(parameters.values()), 1 / (self._steps - 1))

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._put_average(pl_module)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        self._put_live(pl_module)
        if self.triggered_at is not None:
            return
        loss = self._monitored(trainer)
        if is_non_monotone(loss, self.losses, self.nonmono):
            self.triggered_at = trainer.global_step
        self.losses.append(loss)

    def _monitored(self, trainer: Trainer) -> float:
        if self.monitor not in trainer.callback_metrics:
            raise UserError(
                f"NTASGD: {self.monitor} is not logged; set its monitor to one of "
                f"{', '.join(sorted(trainer.callback_metrics)) or 'the losses that the module logs (it logs none)'}"
            )
        return float(trainer.callback_metrics[self.monitor])

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.keep == AVERAGES:
            self._put_average(pl_module)

    @torch.no_grad()
    def _put_average(self, module: LightningModule) -> None:
        """Copy the averages into the model, in place: optimiser, DDP and tied weights keep their references."""
        if not self.averaging or self._live:
            return
        self._live = {name: value.clone() for name, value in _parameters(module).items()}
        for name, value in _parameters(module).items():
            value.copy_(self._average[name])

    @torch.no_grad()
    def _put_live(self, module: LightningModule) -> None:
        for name, value in _parameters(module).items() if self._live else ():
            value.copy_(self._live[name])
        self._live = {}

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"losses": list(self.losses), "triggered_at": self.triggered_at, "steps": self._steps}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.losses = list(state_dict["losses"])
        self.triggered_at, self._steps = state_dict["triggered_at"], state_dict["steps"]

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if not self.averaging:
            return
        live = self._live or _parameters(pl_module)
        checkpoint["live_weights"] = {name: value.detach().clone() for name, value in live.items()}
        tied = {value.data_ptr(): name for name, value in _parameters(pl_module).items()}
        state = pl_module.state_dict()
        for name, value in state.items():
            # A tied weight has several names and one average.
            if value.data_ptr() in tied:
                state[name] = self._average[tied[value.data_ptr()]]
        checkpoint["state_dict"] = state

    @override
    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn != "fit":
            return
        self._live, self._average = dict(checkpoint.get("live_weights", {})), {}
        if self._live:  # Lightning has loaded the averages as weights before this hook.
            self._average = {name: value.clone() for name, value in _parameters(pl_module).items()}


def _parameters(module: LightningModule) -> dict[str, Tensor]:
    """The trainable weights; a tied one once, by its first name."""
    return {name: value.detach() for name, value in module.named_parameters() if value.requires_grad}
