"""Checks that a checkpoint fits the model that loads it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.spelling import Spelling
from app.common.vocabulary import Vocabulary


def check_tied(state_dict: Mapping[str, Tensor], name: str) -> None:
    """Check that a checkpoint for a tied model has the same matrix for embedding and softmax.

    Args:
        state_dict: weights of the checkpoint.
        name: of the matrix of the softmax.

    Raises:
        UserError: the two matrices differ, so that loading would lose one of them.
    """
    if not torch.equal(state_dict[name], state_dict["embedding.weight"]):
        raise UserError("the checkpoint's softmax is not tied to its embedding; set model.init_args.tied to false")


def saved_vocabulary(saved: Any) -> Vocabulary:
    """The vocabulary of a checkpoint.

    Args:
        saved: the checkpoint's entry "vocabulary": a dictionary with the words, their SHA-256 and their spelling, which
            an old checkpoint does not have.

    Raises:
        UserError: the entry has another form, its spelling is not one of ours, or the words do not have the SHA-256
            saved with them.
    """
    try:
        spelling = Spelling.read(saved["spelling"]) if "spelling" in saved else None
        vocabulary, sha256 = Vocabulary(saved["words"], spelling), saved["sha256"]
    except (TypeError, KeyError, AttributeError):
        raise UserError(
            "the checkpoint's vocabulary is not a list of words; was the checkpoint made by another program?"
        ) from None
    if vocabulary.sha256 != sha256:
        raise UserError("the checkpoint is damaged (the SHA-256 of its words is not the one in it); copy it again")
    return vocabulary
