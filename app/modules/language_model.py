"""Predicting the next word: embedding, recurrent net, softmax, and the AWD recipe around them."""

# T time, B batch, V vocabulary, D features of an embedding. Time-major throughout.

import sys
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from typing_extensions import override

from app.common.errors import UserError
from app.common.states import check_shapes
from app.common.vocabulary import Vocabulary
from app.modules.checkpoint_checks import check_tied, saved_vocabulary
from app.modules.recurrent_state import LossSums, detached, gather_state, scatter_state
from app.modules.sentence_reader import SentenceReader
from app.nets import RecurrentNet, State
from app.nets.dropout import embed, locked_dropout
from app.nets.softmax import softmax_loss


class Window(Protocol):
    """A stretch of text, as a data module hands it over.

    Args:
        inputs: int64 (T, B).
        targets: int64 (T, B), the words after them.
        drawn: the length that was drawn for it; T may be less where the text ends.
        bptt: the length that the learning rate is meant for.
    """

    inputs: Tensor
    targets: Tensor
    drawn: int
    bptt: int


class LanguageModel(SentenceReader):
    """A recurrent language model trained as Merity et al. (2018) and Shen et al. (2019, section 5.1) do.

    One window of text is one training step; the recurrent state is carried from window to window, and the learning
    rate of a step is scaled by the length drawn for its window. Losses are in nats per token. Logged at every
    validation: `train_loss` (mean since the validation before, dropout on, penalties off), `val_loss` and
    `val_perplexity` by the authors' convention, which divides by the length of the text although its first word is not
    predicted, and `val_loss_exact`, `val_perplexity_exact`, which divide by the words predicted.

    A checkpoint holds weights, words and the state carried, not these arguments: `load_from_checkpoint` must be given
    them again, the net with its `weight_dropout` included, which scales the weights in evaluation.

    Args:
        net: the recurrent net; it reads embeddings of its `input_size`.
        vocabulary_size: V, words of the data.
        optimizer: makes the optimiser from the parameters.
        tied: the softmax uses the embedding's weight; needs `net.output_size == net.input_size`.
        dropout_embedding: share of words dropped, each wherever it occurs.
        dropout_input: locked dropout on the embeddings.
        dropout_output: locked dropout on the net's output.
        alpha: AR, the weight of the mean square of the dropped output.
        beta: TAR, the weight of the mean square of the output's change from step to step.
        lr_scheduler: makes the learning-rate scheduler from the optimiser; it steps after every validation, and is told
            `val_loss` where it asks for a loss.

    Raises:
        UserError: a dropout that is no probability, no words, or sizes that cannot be tied.
    """

    metric_names = ("train_loss", "val_loss", "val_perplexity", "val_loss_exact", "val_perplexity_exact")

    def __init__(
        self,
        net: RecurrentNet,
        vocabulary_size: int,
        optimizer: OptimizerCallable = torch.optim.SGD,
        tied: bool = True,
        dropout_embedding: float = 0.0,
        dropout_input: float = 0.0,
        dropout_output: float = 0.0,
        alpha: float = 0.0,
        beta: float = 0.0,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        dropouts = {"embedding": dropout_embedding, "input": dropout_input, "output": dropout_output}
        for place, p in dropouts.items():
            if not 0 <= p < 1:
                raise UserError(f"dropout_{place} is {p}; expected a probability in [0, 1)")
        if vocabulary_size < 1:
            raise UserError(f"vocabulary_size is {vocabulary_size}; expected the number of words in the data")
        if not isinstance(net, RecurrentNet):
            raise UserError(f"net is {type(net).__name__}; expected app.nets.ONLSTM or app.nets.LSTM")
        if tied and net.output_size != net.input_size:
            raise UserError(
                f"the net reads {net.input_size} features and puts out {net.output_size}; make them equal, or set "
                "tied to false"
            )
        self.embedding = nn.Embedding(vocabulary_size, net.input_size)
        self.net = net
        self.decoder = nn.Linear(net.output_size, vocabulary_size)
        if tied:
            self.decoder.weight = self.embedding.weight
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.dropouts = dropouts
        self.alpha = alpha
        self.beta = beta
        self.vocabulary: Vocabulary | None = None
        self._state: State | None = None  # carried to the next window of the stage at work
        self._train_state: State | None = None  # training's, while a validation is at work
        self._train_sums, self._eval_sums = LossSums(), LossSums()
        self._lr_scale = 1.0
        self._columns = 0  # of the text being evaluated
        self.reset_softmax()

    def reset_parameters(self) -> None:
        """Draw all weights afresh from torch's global generator."""
        self.net.reset_parameters()
        self.reset_softmax()

    def reset_softmax(self) -> None:
        """Draw embedding and softmax as the authors do: U(-0.1, 0.1), the bias 0."""
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        if self.decoder.weight is not self.embedding.weight:
            nn.init.uniform_(self.decoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    @override
    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Scores of the next word.

        Args:
            tokens: int64 (T, B).
            state: from the window before; zeros where left out.

        Returns:
            Logits (T, B, V), and the state after the last token.
        """
        _, dropped, state = self._read(tokens, state)
        logits: Tensor = self.decoder(dropped)
        return logits, state

    def _read(self, tokens: Tensor, state: State | None) -> tuple[Tensor, Tensor, State]:
        """The net's output, the same with dropout, and the state after the last token."""
        x = embed(tokens, self.embedding.weight, self.dropouts["embedding"], training=self.training)
        x = locked_dropout(x, self.dropouts["input"], training=self.training)
        output, state, _ = self.net(x, state)
        return output, locked_dropout(output, self.dropouts["output"], training=self.training), state

    def _loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats per word; hidden (T, B, H), targets (T, B)."""
        return softmax_loss(hidden.flatten(0, 1), self.decoder.weight, self.decoder.bias, targets.flatten())

    @override
    def setup(self, stage: str) -> None:
        """Take the words of the data, where it has any."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        vocabulary: Vocabulary | None = getattr(data, "vocabulary", None)
        if vocabulary is None:
            return
        if len(vocabulary) != self.embedding.num_embeddings:
            raise UserError(
                f"the data has {len(vocabulary):,} words and the model {self.embedding.num_embeddings:,}; "
                f"set model.init_args.vocabulary_size to {len(vocabulary)}"
            )
        self.meet(vocabulary, "the data")

    @override
    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())
        if self.lr_scheduler is None:
            return optimizer
        # Lightning saves and restores it; it would step it by epochs, and that after the checkpoints of their ends.
        ours = {"scheduler": self.lr_scheduler(optimizer), "monitor": "val_loss", "frequency": sys.maxsize}
        return {"optimizer": optimizer, "lr_scheduler": ours}

    def _step_lr_scheduler(self, val_loss: Tensor) -> None:
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(val_loss.item())
        elif isinstance(scheduler, LRScheduler):
            scheduler.step()

    @override
    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """One step, at the learning rate scaled by the length drawn for the window."""
        groups = self.trainer.optimizers[0].param_groups
        rates = [group["lr"] for group in groups]
        for group in groups:
            group["lr"] = group["lr"] * self._lr_scale  # a rate may be a tensor
        try:
            super().optimizer_step(*args, **kwargs)
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate

    @override
    def on_train_start(self) -> None:
        self._train_state = None  # of a training that broke off while it was validated
        self._train_sums.values = self._train_sums.values.to(self.device)
        if self.global_step == 0:
            self._train_sums.reset(self.device)

    @override
    def on_train_batch_start(self, batch: Window, batch_idx: int) -> None:
        if batch_idx == 0:  # the text begins anew with every epoch
            self._state = None
        self._lr_scale = batch.drawn / batch.bptt

    @override
    def training_step(self, batch: Window, batch_idx: int) -> Tensor:
        output, dropped, state = self._read(batch.inputs, self._state)
        self._state = detached(state)
        loss = self._loss(dropped, batch.targets)
        self._train_sums.add(loss, batch.targets.numel())
        if self.alpha:
            loss = loss + self.alpha * dropped.square().mean()
        if self.beta and len(output) > 1:
            loss = loss + self.beta * output.diff(dim=0).square().mean()
        return loss

    @override
    def on_validation_epoch_start(self) -> None:
        self._train_state, self._state = self._state, None
        self._eval_sums.reset(self.device)

    @override
    def on_test_epoch_start(self) -> None:
        self.on_validation_epoch_start()

    @override
    def validation_step(self, batch: Window, batch_idx: int) -> None:
        output, _, self._state = self._read(batch.inputs, self._state)
        self._eval_sums.add(self._loss(output, batch.targets), batch.targets.numel())
        self._columns = batch.inputs.size(1)

    @override
    def test_step(self, batch: Window, batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    @override
    def on_validation_epoch_end(self) -> None:
        """Log the training mean as well, and begin a new one; there is none before the first iteration."""
        val_loss = self._log_stage("val")
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            nats, tokens = self._train_sums.over_ranks(self.trainer)
            # Lightning's own step is that of the last batch's index; ours is the number of iterations done.
            self.log("step", torch.tensor(self.global_step, dtype=torch.float64), sync_dist=True)
            self.log("train_loss", nats / tokens, sync_dist=True)
            self._train_sums.reset(self.device)
            self._step_lr_scheduler(val_loss)
        self._state, self._train_state = self._train_state, None

    @override
    def on_test_epoch_end(self) -> None:
        self._log_stage("test")
        self._state, self._train_state = self._train_state, None

    def _log_stage(self, stage: str) -> Tensor:
        """Log what a stage has lost, and return it by the authors' convention."""
        nats, tokens = self._eval_sums.over_ranks(self.trainer)
        columns = self.trainer.strategy.reduce(tokens.new_tensor(float(self._columns)), reduce_op="sum")
        # The authors divide by the rows of the text, of which the first is not predicted.
        loss: Tensor = nats / (tokens + columns)
        losses = {f"{stage}_loss": loss, f"{stage}_loss_exact": nats / tokens}
        perplexities = {name.replace("loss", "perplexity"): loss.exp() for name, loss in losses.items()}
        self.log_dict(losses | perplexities, sync_dist=True)
        optimum = getattr(self.trainer.datamodule, "optimal_losses", {}).get(stage)  # type: ignore[attr-defined]
        if optimum is not None:
            self.log(f"{stage}_perplexity_optimal", tokens.new_tensor(optimum).exp(), sync_dist=True)
        return loss

    @override
    def predict_step(self, batch: Sequence[Sequence[str]], batch_idx: int) -> list[Tensor]:
        """Distances of sentences, as `distances` gives them."""
        return self.distances(batch)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.vocabulary is not None:
            checkpoint["vocabulary"] = {"words": self.vocabulary.words, "sha256": self.vocabulary.sha256}
        if self._trainer is None:
            return
        checkpoint["train_sums"] = self._train_sums.over_ranks(self.trainer)
        state = self._train_state or self._state
        if state is not None:
            checkpoint["state"] = gather_state(state, self.trainer)

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_shapes(self.state_dict(), checkpoint["state_dict"])
        if self.decoder.weight is self.embedding.weight:
            check_tied(checkpoint["state_dict"])
        if "vocabulary" in checkpoint:
            theirs = saved_vocabulary(checkpoint["vocabulary"])
            mine, self.vocabulary = self.vocabulary, theirs
            if mine is not None:
                self.meet(mine, "the data")
        if self._trainer is None:
            return
        # The sums of all ranks go to the first one; only their total counts.
        if "train_sums" in checkpoint and self.trainer.is_global_zero:
            self._train_sums.values = checkpoint["train_sums"].to(self.device)
        if "state" in checkpoint:
            self._state = scatter_state(checkpoint["state"], self.trainer, self.device)
