"""A ticket's masks on recurrent weights, with the fused and the eager implementation."""

from typing import Any

import pytest
import torch
from helpers.language import TinyText, language_model, on_lstm, sgd, trainer
from torch import Tensor

from app.modules import LanguageModel
from app.nets.fused import dispatch
from callbacks import IterativePruningCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

MASKED = ("net.layers.0.weight_ih", "net.layers.0.weight_hh", "net.layers.1.weight_hh")


class Prunable(LanguageModel):
    def prunable_parameters(self) -> dict[str, str]:
        return dict.fromkeys(MASKED, "recurrent")


def trained(implementation: str, masks: dict[str, Tensor]) -> dict[str, Tensor]:
    plain = language_model(on_lstm(weight_dropout=0.4))
    model = Prunable(plain.net, plain.embedding.num_embeddings, sgd, dropout_output=0.25, alpha=2.0, beta=1.0).double()
    model.load_state_dict(plain.state_dict())
    model.net.implementation = implementation
    ticket = IterativePruningCallback({"recurrent": 0.2})
    ticket.adopt(masks, round=3)
    torch.manual_seed(5)
    trainer([ticket], max_epochs=3, limit_val_batches=0).fit(model, TinyText())
    return model.state_dict()


def test_masked_weights_stay_zero_and_the_others_are_the_eager_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    before, read, sequences = language_model(on_lstm()).state_dict(), dispatch.read, []

    def spy(*arguments: Any) -> Any:
        sequences.append(len(arguments))
        return read(*arguments)

    monkeypatch.setattr("app.nets.recurrent.read", spy)
    masks = {name: torch.rand(before[name].shape) < 0.4 for name in MASKED}
    eager = trained("eager", masks)
    assert not sequences
    ours = trained("fused", masks)
    assert sequences, "nothing went through the fused layers"
    for name, value in ours.items():
        assert torch.allclose(value, eager[name], rtol=0, atol=1e-10), name
    for name, mask in masks.items():
        assert not ours[name][~mask].any()
        assert not torch.equal(ours[name][mask], before[name][mask])
