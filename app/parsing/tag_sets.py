"""Tag sets of treebanks: which tags are of punctuation, and which of no word at all."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from app.common.errors import UserError
from app.common.text_files import read_yaml
from app.parsing.gold import category
from app.parsing.penn_treebank import OTHER_TAGS, WORD_TAGS

NONE = "-NONE-"  # the tag of traces and other empty nodes, in every treebank that has them
LEAST_KNOWN = 0.9  # share of a treebank's words whose tags a set has to know to be chosen
NAMED = 8  # most tags listed in a message

TagChoice: TypeAlias = str | dict[str, list[str]]  # a name, a file, or lists by "punctuation" and "empty"


@dataclass(frozen=True)
class TagSet:
    """A tag set.

    Args:
        name: by which it is chosen.
        about: whose it is.
        words: tags of words.
        punctuation: tags of punctuation.
        empty: tags of what is not in the text, such as traces.
        keeps_others: whether what has another tag is a word; it is left out otherwise.
    """

    name: str
    about: str
    words: frozenset[str]
    punctuation: frozenset[str]
    empty: frozenset[str] = frozenset((NONE,))
    keeps_others: bool = True

    def kind(self, tag: str, word: str) -> str:
        """What a word is by its tag, with function tags or without: "word", "punctuation", "empty" or "other"."""
        return self._kinds.get(tag) or self._kinds.get(category(tag), "other")

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {
            **dict.fromkeys(self.words, "word"),
            **dict.fromkeys(self.punctuation, "punctuation"),
            **dict.fromkeys(self.empty, "empty"),
        }


class ByCharacters(TagSet):
    """No tag set: punctuation is what consists of it, but for % & @ #, whatever its tag; `-NONE-` is empty."""

    def kind(self, tag: str, word: str) -> str:
        """See `TagSet.kind`; there are no others."""
        if tag == NONE:
            return "empty"
        return "punctuation" if word in _BRACKETS or all(map(_is_punctuation, word)) else "word"


_BRACKETS = {f"-{kind}{side}B-" for kind in "LR" for side in "RCS"} | {"``", "''"}


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P") and character not in "%&@#"


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PENN_SIGNS = OTHER_TAGS - {NONE}
PENN = TagSet("penn", "the Penn Treebank", WORD_TAGS, _PENN_SIGNS, keeps_others=False)
# Of several sets that know a treebank's tags equally well, the first is chosen.
TAG_SETS: dict[str, TagSet] = {
    each.name: each
    for each in (
        PENN,
        TagSet(
            "ontonotes",
            "OntoNotes and the English Web Treebank",
            WORD_TAGS | _tags("ADD AFX GW XX"),
            _PENN_SIGNS | _tags("HYPH NFP"),
        ),
        TagSet(
            "ctb",
            "the Chinese Treebank",
            _tags(
                "AD AS BA CC CD CS DEC DEG DER DEV DT EM ETC FW IC IJ INF JJ LB LC M MSP NN NOI NR NT OD ON P PN SB SP "
                "URL VA VC VE VV X"
            ),
            _tags("PU"),
        ),
        TagSet(
            "stts",
            "German treebanks: NEGRA, TIGER, SPMRL",
            _tags(
                "ADJA ADJD ADV APPR APPRART APPO APZR ART CARD FM ITJ KOUI KOUS KON KOKOM NN NNE NE PDS PDAT PIS PIAT "
                "PIDAT PPER PPOSS PPOSAT PRELS PRELAT PRF PROAV PROP PAV PWS PWAT PWAV PTKZU PTKNEG PTKVZ PTKANT PTKA "
                "SGML SPELL TRUNC VVFIN VVIMP VVINF VVIZU VVPP VAFIN VAIMP VAINF VAPP VMFIN VMINF VMPP XY"
            ),
            _tags("$, $. $( $[ $*LRB* $-LRB- $LRB"),  # a bracketed file cannot have $(
        ),
        TagSet(
            "french",
            "the French Treebank, SPMRL",
            _tags(
                "A ADJ ADJWH ADV ADVWH C CC CL CLO CLR CLS CS D DET DETWH ET I N NC NPP P P+D P+PRO PREF PRO PROREL "
                "PROWH V VIMP VINF VPP VPR VS"
            ),
            _tags("PONCT"),
        ),
        TagSet(
            "ud",
            "Universal Dependencies",
            _tags("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN SCONJ SYM VERB X"),
            _tags("PUNCT"),
        ),
    )
}
CHARACTERS = ByCharacters("characters", "no tag set", frozenset(), frozenset())
NAMES = (*TAG_SETS, CHARACTERS.name)
_LISTS = ("punctuation", "empty")


def tag_set(choice: TagChoice) -> TagSet:
    """The tag set that a user chose.

    Args:
        choice: one of `NAMES`; the path of a YAML file with lists `punctuation` and `empty`; or these lists.

    Raises:
        UserError: none of these, or the file has something else.
    """
    if isinstance(choice, Mapping):
        return _own(choice, "own", "--tags")
    if choice in TAG_SETS:
        return TAG_SETS[choice]
    if choice == CHARACTERS.name:
        return CHARACTERS
    if not Path(choice).is_file():
        raise UserError(
            f"--tags is {choice!r}; expected {', '.join(NAMES)}, a YAML file, or lists such as "
            "{punctuation: [PU], empty: [-NONE-]}"
        )
    return _own(read_yaml(Path(choice)), choice, choice)


def _own(lists: Any, name: str, source: str) -> TagSet:
    if not isinstance(lists, Mapping) or not lists or not set(lists) <= set(_LISTS):
        raise UserError(f"{source}: expected lists of tags under {' and '.join(_LISTS)}, such as punctuation: [PU]")
    for key, tags in lists.items():
        if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
            raise UserError(f"{source}: {key} is {tags!r}; expected a list of tags, such as [PU], each a text")
    punctuation, empty = frozenset(lists.get("punctuation", ())), frozenset(lists.get("empty", (NONE,)))
    if both := sorted(punctuation & empty):
        raise UserError(f"{source}: {', '.join(both)} is under punctuation and under empty; choose one")
    return TagSet(name, "tags of your own", frozenset(), punctuation, empty)


def recognised_tag_set(tags: Mapping[str, int]) -> TagSet:
    """The tag set that knows most of a treebank's words, or `CHARACTERS` if none knows nine of ten.

    Args:
        tags: number of words by tag.
    """
    known = {
        each.name: sum(n for tag, n in tags.items() if each.kind(tag, "") not in ("other", "empty"))
        for each in TAG_SETS.values()
    }
    total = sum(n for tag, n in tags.items() if tag != NONE)  # traces say nothing about whose tags these are
    best = max(known, key=known.__getitem__)
    return TAG_SETS[best] if known[best] and known[best] >= LEAST_KNOWN * total else CHARACTERS


def named(tags: Counter[str]) -> str:
    """The tags with their numbers, the most frequent first, in a message."""
    by_number: Sequence[str] = sorted(tags, key=lambda tag: (-tags[tag], tag))
    listed = ", ".join(f"{tag or 'none'} {tags[tag]:,}" for tag in by_number[:NAMED])
    more = len(tags) - NAMED
    return listed + (f" and {more} tag{'s' * (more != 1)} more" if more > 0 else "")
