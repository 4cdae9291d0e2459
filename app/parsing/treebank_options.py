"""How a treebank is read: its tag set, and what is kept of case, digits and punctuation."""

import codecs
from dataclasses import dataclass, replace

from app.common.errors import UserError
from app.common.spelling import Spelling
from app.parsing.tag_sets import TagChoice, TagSet, tag_set
from app.parsing.treebank_formats import UTF_8


@dataclass(frozen=True, kw_only=True)
class TreebankOptions:
    """How a treebank is read.

    Args:
        tags: its tag set: a name, a YAML file, or lists of tags of punctuation and of empty nodes; None to recognise
            it.
        lower_case: whether words are put into lower case; None for as the vocabulary has them.
        numbers: whether every run of digits becomes `N`; None for as the vocabulary has them.
        punctuation: whether punctuation is kept.
        labels: whether bracketed trees have labels; None to decide by their content.
        encoding: of the files, by its name in Python; None for UTF-8.

    Raises:
        UserError: there is no such encoding.
    """

    tags: TagChoice | None = None
    lower_case: bool | None = None
    numbers: bool | None = None
    punctuation: bool = False
    labels: bool | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        try:
            b"(".decode(self.codec, errors="replace")
        except (LookupError, ValueError):
            raise UserError(
                f"--encoding is {self.encoding!r}; expected the name of an encoding of texts, such as utf-8, gb18030 "
                "or iso-8859-1"
            ) from None

    @property
    def codec(self) -> str:
        """The encoding of the files; UTF-8 may begin with a byte order mark."""
        if self.encoding is None or codecs.lookup(self.encoding).name == "utf-8":
            return UTF_8
        return self.encoding

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
