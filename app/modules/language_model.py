"""A recurrent language model: embedding, recurrent net and softmax, trained by the AWD recipe."""

# T time, B batch, V vocabulary, D features of an embedding. Time-major throughout.

from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from app.common import metrics
from app.common.errors import UserError
from app.common.lightning_internals import is_attached
from app.common.prunable import OUTPUT, Declared
from app.common.ranks import is_first
from app.common.states import check_shapes
from app.common.vocabulary import Vocabulary
from app.modules.checkpoint_checks import check_tied, saved_vocabulary
from app.modules.language_losses import LossSums, text_losses
from app.modules.prunable_kinds import EMBEDDING, chosen_kinds
from app.modules.recurrent_state import detached, gather_state, scatter_state
from app.modules.sentence_reader import SentenceReader
from app.modules.text_window import TextWindow
from app.modules.validation_scheduler import step_scheduler, with_scheduler
from app.modules.word_order import warn_of_order
from app.nets import RecurrentNet, State
from app.nets.decoder import decoder_kernels, make_decoder, mean_loss, own_weights, reset_decoder, scores, tied_weight
from app.nets.dropout import embed, locked_dropout

AR_OUTPUTS = ("dropped", "undropped")


class LanguageModel(SentenceReader):
    """A recurrent language model trained as Merity et al. (2018) and Shen et al. (2019, section 5.1) do.

    Each window of text is one training step. The recurrent state is passed on from window to window, and the learning
    rate of a step is scaled by the length sampled for its window. Losses are in nats per token. Logged at every
    validation: `train_loss` (mean since the last validation, with dropout, without penalties); `val_loss` and
    `val_perplexity` by the authors' convention, which divides by the length of the text although its first word is not
    predicted; `val_loss_exact` and `val_perplexity_exact`, which divide by the number of words predicted.

    A checkpoint holds the weights, the vocabulary and the recurrent state. One of a run directory holds these arguments
    too; for any other give them again to `load_from_checkpoint`, including the net with its `weight_dropout`, which
    scales the weights in evaluation.

    Args:
        net: the recurrent net; it reads embeddings of its `input_size`.
        vocabulary_size: V, words of the data. The command line finds "auto" out; in a script it is
            `len(data.vocabulary)`.
        optimizer: makes the optimiser from the parameters.
        tied: the softmax uses the embedding's weight; needs `net.output_size == net.input_size`. Of an adaptive softmax
            these are the words that are predicted at once; clusters and the words in them have weights of their own.
        dropout_embedding: share of words dropped; a dropped word is dropped everywhere in the window.
        dropout_input: locked dropout on the embeddings.
        dropout_output: locked dropout on the net's output.
        alpha: AR, the weight of the mean square of the output.
        beta: TAR, the weight of the mean square of the output's change from step to step.
        lr_scheduler: makes the learning-rate scheduler from the optimiser; it steps after every validation; a
            plateau scheduler monitors `val_loss`.
        ar_output: which output AR is of: "dropped", as by Merity et al., or "undropped", as in the code of Shen
            et al. (2019), where it is 1 - dropout_output times as large in the mean.
        prunable: the kinds of weights that a lottery prunes: ih and hh (of a layer's input and of its state), of an
            ON-LSTM also master_ih and master_hh (their rows of the master gates), embedding (with the softmax, where
            they are tied), output (the softmax, where not); all but the embedding where it is left out.
        softmax: "dense", or "adaptive" for large vocabularies that are sorted by frequency (Grave et al. 2017).
        softmax_cutoffs: numbers of the words with which the clusters of an adaptive softmax begin; 1, 8 and 30 % of V
            where it is left out, as far as the net has features for.

    Raises:
        UserError: a dropout outside [0, 1), vocabulary size below 1, unknown `ar_output`, sizes that cannot be tied,
            kinds of weights that it does not have, or cutoffs that the vocabulary or the net is too small for.
    """

    metric_schema = (
        metrics.loss("train_loss", "Train loss"),
        metrics.loss("val_loss", "Validation loss"),
        metrics.perplexity("val_perplexity", "Validation perplexity"),
        metrics.loss("val_loss_exact", "Validation loss, exact count"),
        metrics.perplexity("val_perplexity_exact", "Validation perplexity, exact count"),
    )

    def __init__(
        self,
        net: RecurrentNet,
        vocabulary_size: int | Literal["auto"] = "auto",
        optimizer: OptimizerCallable = torch.optim.SGD,
        tied: bool = True,
        dropout_embedding: float = 0.0,
        dropout_input: float = 0.0,
        dropout_output: float = 0.0,
        alpha: float = 0.0,
        beta: float = 0.0,
        lr_scheduler: LRSchedulerCallable | None = None,
        ar_output: str = "dropped",
        prunable: list[str] | None = None,
        softmax: Literal["dense", "adaptive"] = "dense",
        softmax_cutoffs: list[int] | None = None,
    ) -> None:
        super().__init__()
        dropouts = {"embedding": dropout_embedding, "input": dropout_input, "output": dropout_output}
        for place, p in dropouts.items():
            if not 0 <= p < 1:
                raise UserError(f"dropout_{place} is {p}; expected a probability in [0, 1)")
        if vocabulary_size == "auto":
            raise UserError("vocabulary_size is auto, which is for the command line; give len(data.vocabulary)")
        if vocabulary_size < 1:
            raise UserError(f"vocabulary_size is {vocabulary_size}; expected the number of words in the data")
        if ar_output not in AR_OUTPUTS:
            raise UserError(f"ar_output is {ar_output!r}; expected {' or '.join(AR_OUTPUTS)}")
        if not isinstance(net, RecurrentNet):
            raise UserError(f"net is {type(net).__name__}; expected app.nets.ONLSTM or app.nets.LSTM")
        if tied and net.output_size != net.input_size:
            raise UserError(
                f"the net reads {net.input_size} features and puts out {net.output_size}; make them equal, or set "
                "tied to false"
            )
        self.embedding = nn.Embedding(vocabulary_size, net.input_size)
        self.net = net
        self.decoder = make_decoder(net.output_size, self.embedding, softmax, softmax_cutoffs, tied=tied)
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.dropouts = dropouts
        self.alpha = alpha
        self.beta = beta
        self.ar_output = ar_output
        self.prunable = prunable
        self.prunable_parameters()  # refuses kinds that there are not
        self.vocabulary: Vocabulary | None = None
        self._state: State | None = None  # after the last window of the current stage
        self._train_state: State | None = None  # that of the training, during a validation
        self._train_sums, self._eval_sums = LossSums(), LossSums()
        self._lr_scales: list[float] = []  # of the windows since the last step
        self._columns = 0  # of the text that is evaluated
        self.reset_softmax()

    def prunable_parameters(self) -> dict[str, Declared]:
        """Kinds by parameter name, or of its rows, as far as the argument `prunable` names them."""
        kinds = {"embedding.weight": EMBEDDING} | {
            f"net.{name}": k for name, k in self.net.prunable_parameters().items()
        }
        kinds |= {f"decoder.{name}": OUTPUT for name, weight in own_weights(self.decoder, self.embedding).items()}
        return chosen_kinds(kinds, self.prunable)

    def reset_parameters(self) -> None:
        """Initialise all weights anew from torch's global generator."""
        self.net.reset_parameters()
        self.reset_softmax()

    def reset_softmax(self) -> None:
        """Initialise embedding and softmax as the authors do: weights from U(-0.1, 0.1), bias 0.

        The clusters of an adaptive softmax are initialised as torch does it, by their number of features.
        """
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        reset_decoder(self.decoder, self.embedding, 0.1)

    @override
    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Scores of the next word.

        Args:
            tokens: int64 (T, B).
            state: after the window before; zeros by default.

        Returns:
            Logits (T, B, V), of an adaptive softmax log-probabilities, and the state after the last token.
        """
        _, dropped, state = self._read(tokens, state)
        return scores(self.decoder, dropped), state

    def _read(self, tokens: Tensor, state: State | None) -> tuple[Tensor, Tensor, State]:
        """The net's output, the same with dropout, and the state after the last token."""
        x = embed(tokens, self.embedding.weight, self.dropouts["embedding"], training=self.training)
        x = locked_dropout(x, self.dropouts["input"], training=self.training)
        output, state, _ = self.net(x, state)
        return output, locked_dropout(output, self.dropouts["output"], training=self.training), state

    def _loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats per word; hidden (T, B, H), targets (T, B)."""
        return mean_loss(self.decoder, hidden.flatten(0, 1), targets.flatten())

    def kernels(self, device: str) -> dict[str, str]:
        """The implementation of the softmax's loss; the net declares its own."""
        return decoder_kernels(self.decoder, device)

    @override
    def setup(self, stage: str) -> None:
        """Take the vocabulary of the data, if it has one."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        vocabulary: Vocabulary | None = getattr(data, "vocabulary", None)
        if vocabulary is None:
            return
        if len(vocabulary) != self.embedding.num_embeddings:
            raise UserError(
                f"the data has {len(vocabulary):,} words and the model {self.embedding.num_embeddings:,}; "
                f"set model.init_args.vocabulary_size to {len(vocabulary)}, or to auto"
            )
        self.set_vocabulary(vocabulary, "the data")
        if stage == "fit" and is_first():
            warn_of_order(self.decoder, getattr(data, "word_counts", None))

    @override
    def configure_optimizers(self) -> Any:
        return with_scheduler(self.optimizer(self.parameters()), self.lr_scheduler)

    @override
    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """One step, with the learning rate scaled by the length sampled for the window.

        Where the gradients of several windows are accumulated, it is scaled by the mean of their scales.
        """
        scale = fmean(self._lr_scales)
        self._lr_scales = []
        groups = self.trainer.optimizers[0].param_groups
        rates = [group["lr"] for group in groups]
        for group in groups:
            group["lr"] = group["lr"] * scale  # not in place: a rate may be a tensor
        try:
            super().optimizer_step(*args, **kwargs)
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate

    @override
    def on_train_start(self) -> None:
        self._train_state = None  # left over where a training was interrupted during a validation
        self._lr_scales = []
        self._train_sums.values = self._train_sums.values.to(self.device)
        if self.global_step == 0:
            self._train_sums.reset(self.device)

    @override
    def on_train_batch_start(self, batch: TextWindow, batch_idx: int) -> None:
        if batch_idx == 0:  # every epoch begins at the start of the text
            self._state = None
        self._lr_scales.append(batch.drawn / batch.bptt)

    @override
    def training_step(self, batch: TextWindow, batch_idx: int) -> Tensor:
        output, dropped, state = self._read(batch.inputs, self._state)
        self._state = detached(state)
        loss = self._loss(dropped, batch.targets)
        self._train_sums.add(loss, batch.targets.numel())
        if self.alpha:
            penalised = dropped if self.ar_output == "dropped" else output
            loss = loss + self.alpha * penalised.square().mean()
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
    def validation_step(self, batch: TextWindow, batch_idx: int) -> None:
        output, _, self._state = self._read(batch.inputs, self._state)
        self._eval_sums.add(self._loss(output, batch.targets), batch.targets.numel())
        self._columns = batch.inputs.size(1)

    @override
    def test_step(self, batch: TextWindow, batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    @override
    def on_validation_epoch_end(self) -> None:
        """Log the validation, and in a training also the training loss, nan before the first iteration."""
        val_loss = self._log_stage("val")
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            nats, tokens = self._train_sums.over_ranks(self.trainer)
            # Lightning would log the index of the last batch as the step; this is the number of iterations done.
            self.log("step", torch.tensor(self.global_step, dtype=torch.float64), sync_dist=True)
            self.log("train_loss", nats / tokens, sync_dist=True)
            self._train_sums.reset(self.device)
            step_scheduler(self, lambda _: val_loss.item())
        self._state, self._train_state = self._train_state, None

    @override
    def on_test_epoch_end(self) -> None:
        self._log_stage("test")
        self._state, self._train_state = self._train_state, None

    def _log_stage(self, stage: str) -> Tensor:
        """Log losses and perplexities of a stage, and return its loss by the authors' convention."""
        nats, tokens = self._eval_sums.over_ranks(self.trainer)
        columns = self.trainer.strategy.reduce(tokens.new_tensor(float(self._columns)), reduce_op="sum")
        losses = text_losses(stage, nats, tokens, columns)
        self.log_dict(losses, sync_dist=True)
        optimum = getattr(self.trainer.datamodule, "optimal_losses", {}).get(stage)  # type: ignore[attr-defined]
        if optimum is not None:
            self.log(f"{stage}_perplexity_optimal", tokens.new_tensor(optimum).exp(), sync_dist=True)
        return losses[f"{stage}_loss"]

    @override
    def predict_step(self, batch: Sequence[Sequence[str]], batch_idx: int) -> list[Tensor]:
        """Distances of sentences; see `distances`."""
        return self.distances(batch)

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.vocabulary is not None:
            checkpoint["vocabulary"] = self.vocabulary.as_dict()
        if not is_attached(self):
            return
        checkpoint["train_sums"] = self._train_sums.over_ranks(self.trainer)
        state = self._train_state or self._state
        if state is not None:
            checkpoint["state"] = gather_state(state, self.trainer)

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_shapes(self.state_dict(), checkpoint["state_dict"])
        if (name := tied_weight(self.decoder, self.embedding)) is not None:
            check_tied(checkpoint["state_dict"], f"decoder.{name}")
        if "vocabulary" in checkpoint:
            mine, self.vocabulary = self.vocabulary, saved_vocabulary(checkpoint["vocabulary"])
            if mine is not None:
                self.set_vocabulary(mine, "the data")
        if not is_attached(self):
            return
        # The first rank takes the sums of all ranks: only their total is used.
        if "train_sums" in checkpoint and self.trainer.is_global_zero:
            self._train_sums.values = checkpoint["train_sums"].to(self.device)
        if "state" in checkpoint:
            self._state = scatter_state(checkpoint["state"], self.trainer, self.device)
