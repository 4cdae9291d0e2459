"""Whether the weights of a checkpoint are those of the model that is to take them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.vocabulary import Vocabulary


def check_tied(theirs: Mapping[str, Tensor]) -> None:
    """Make sure that a checkpoint for a tied model has one matrix for embedding and softmax.

    Raises:
        UserError: it has two, one of which would be lost.
    """
    if not torch.equal(theirs["decoder.weight"], theirs["embedding.weight"]):
        raise UserError("the checkpoint's softmax is not tied to its embedding; set model.init_args.tied to false")


def saved_vocabulary(saved: Any) -> Vocabulary:
    """The words of a checkpoint.

    Args:
        saved: what it has as "vocabulary": the words, and their SHA-256.

    Raises:
        UserError: it is something else, or the words are not those that were saved.
    """
    try:
        vocabulary, sha256 = Vocabulary(saved["words"]), saved["sha256"]
    except (TypeError, KeyError, AttributeError):
        raise UserError("the checkpoint's vocabulary is no list of words; was it made by something else?") from None
    if vocabulary.sha256 != sha256:
        raise UserError("the words in the checkpoint are not those that were saved: their SHA-256 differs")
    return vocabulary
