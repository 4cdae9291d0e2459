"""The vocabulary of a model, where it has one."""

from types import SimpleNamespace

import pytest

from app.common.errors import UserError
from app.common.vocabulary import EOS, Vocabulary, vocabulary_of


def test_a_model_without_words_is_refused_with_a_remedy() -> None:
    with pytest.raises(UserError, match=r"this checkpoint has no vocabulary; train with one of our data modules"):
        vocabulary_of(SimpleNamespace(vocabulary=None))
    words = Vocabulary(["the", EOS])
    assert vocabulary_of(SimpleNamespace(vocabulary=words)) is words
