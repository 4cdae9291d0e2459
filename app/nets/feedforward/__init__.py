"""Networks of linear layers with ReLU between them, trained on a CPU by compiled code; all others are PyTorch's."""

from app.nets.feedforward.layers import linear_layers
from app.nets.feedforward.loss import cross_entropy, eager_logits, layers_for, logits_of
from app.nets.feedforward.native import library
from app.nets.feedforward.steps import Steps, takes

__all__ = ["Steps", "cross_entropy", "eager_logits", "layers_for", "library", "linear_layers", "logits_of", "takes"]
