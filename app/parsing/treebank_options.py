"""How a treebank is read: its tag set, and what is kept of case, digits and punctuation."""

from dataclasses import dataclass, replace

from app.common.spelling import Spelling
from app.parsing.tag_sets import TagChoice, TagSet, tag_set


@dataclass(frozen=True, kw_only=True)
class TreebankOptions:
    """How a treebank is read.

    Args:
        tags: its tag set: a name, a YAML file, or lists of tags of punctuation and of empty nodes; None to recognise
            it.
        lower_case: whether words are put into lower case; None for as the vocabulary has them.
        numbers: whether every run of digits becomes `N`; None for as the vocabulary has them.
        punctuation: whether punctuation is kept.
    """

    tags: TagChoice | None = None
    lower_case: bool | None = None
    numbers: bool | None = None
    punctuation: bool = False

    @property
    def are_default(self) -> bool:
        """Whether none is given."""
        return self == TreebankOptions()

    def tag_set(self) -> TagSet | None:
        """The tag set; None to recognise it.

        Raises:
            UserError: there is no such set.
        """
        return None if self.tags is None else tag_set(self.tags)

    def spelling(self, vocabulary: Spelling) -> Spelling:
        """The spelling of the words.

        Args:
            vocabulary: that of the model's vocabulary.
        """
        return replace(
            vocabulary,
            lower_case=vocabulary.lower_case if self.lower_case is None else self.lower_case,
            numbers=vocabulary.numbers if self.numbers is None else self.numbers,
        )


AS_THE_VOCABULARY = TreebankOptions()
