"""The formats of treebanks, one a file, recognised by the content of a file."""

from app.parsing.treebank_formats import brackets, conllu, export
from app.parsing.treebank_formats.format import UTF_8, TreebankFormat, TreebankTree, decode

FORMATS: tuple[TreebankFormat, ...] = (export.FORMAT, conllu.FORMAT, brackets.FORMAT)

__all__ = ["FORMATS", "UTF_8", "TreebankFormat", "TreebankTree", "decode", "recognise"]


def recognise(text: str) -> TreebankFormat | None:
    """The format of a file by its beginning; None if it is in none of them."""
    return next((each for each in FORMATS if each.recognises(text)), None)
