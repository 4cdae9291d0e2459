"""The splits of a treebank other than the Penn Treebank, by its files' names, and sentences that are in two files."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from app.parsing.tag_sets import TAG_SETS, TagSet
from app.parsing.treebank_files import TreebankFile
from app.parsing.trees import GoldSentence

Splits: TypeAlias = dict[str, list[GoldSentence]]
ByFile: TypeAlias = Mapping[Path, Sequence[GoldSentence]]

# Which split a file belongs to, by a word in its name or in that of its folder; SPMRL's train5k is a part of train.
_SPLIT_NAME = re.compile(r"(?:^|[^a-z])(train|dev|valid|val|test)(\d+k(?=[^a-z]|$))?(?:[^a-z]|$)", re.IGNORECASE)
_SPLIT_OF = {"train": "train", "dev": "valid", "valid": "valid", "val": "valid", "test": "test"}

# The Chinese Treebank 5.1, by numbers of files (Liu and Zhang 2017, "In-order transition-based constituent parsing"),
# and how many sentences these have there.
_CTB_NAME = re.compile(r"chtb_(\d{3,4})(?!\d)", re.ASCII | re.IGNORECASE)
CTB_SPLITS = {
    "train": (range(1, 271), range(440, 1152)),
    "valid": (range(301, 326),),
    "test": (range(271, 301),),
}
CTB_SENTENCES = {"train": 17_544, "valid": 352, "test": 348}
CTB_TOLERANCE = 0.05  # share by which releases, and ways of counting, may differ: some count 18,104 training sentences

LEAST_WORDS = 6  # of a sentence that is the same in two files only if these have the same text; shorter ones recur
LEAST_SENTENCES = 3  # of such sentences a file needs, to be called a copy of another


def parts_of_splits(files: Sequence[TreebankFile], place: Path) -> set[Path]:
    """The files whose sentences are in others too, by their names: those of train5k, where there is a train."""
    named = {file.path: _named(file, place) for file in files}
    whole = {name for name, size in filter(None, named.values()) if not size}
    return {path for path, split in named.items() if split is not None and split[1] and split[0] in whole}


def splits_by_name(files: Sequence[TreebankFile], place: Path, by_file: ByFile) -> Splits:
    """The splits that names of files or folders tell: "train", "valid", "test", and "train5k"."""
    splits: Splits = {}
    for file in files:
        found = _named(file, place)
        if found is not None and by_file[file.path]:
            splits.setdefault("".join(found), []).extend(by_file[file.path])
    return splits


def _named(file: TreebankFile, place: Path) -> tuple[str, str] | None:
    """The split of a file, and the size of a part of it: "train", "5k"."""
    if file.number is not None:
        return None
    names = [file.path.name, *reversed(file.path.relative_to(place).parts[:-1])]
    match = next((match for name in names if (match := _SPLIT_NAME.search(name))), None)
    return match and (_SPLIT_OF[match[1].lower()], (match[2] or "").lower())


def chinese_splits(files: Sequence[TreebankFile], by_file: ByFile, tags: TagSet) -> tuple[Splits, str]:
    """The usual splits of the Chinese Treebank, and a phrase about them; none where it is another treebank.

    A split is there if it has about as many sentences as it should; names of files alone tell little.

    Args:
        files: of the treebank, such as chtb_0271.nw or chtb_271.fid.
        by_file: their sentences.
        tags: the tag set.
    """
    splits: Splits = {}
    for file in files:
        match = _CTB_NAME.match(file.path.name)
        split = match and next(
            (name for name, spans in CTB_SPLITS.items() if any(int(match[1]) in s for s in spans)), None
        )
        if split and by_file[file.path]:
            splits.setdefault(split, []).extend(by_file[file.path])
    whole = {name: splits[name] for name in CTB_SPLITS if name in splits and _is_whole(name, len(splits[name]))}
    if tags is not TAG_SETS["ctb"] or not whole:
        return {}, ""
    counts = "; ".join(f"{name} {len(each):,}, {CTB_SENTENCES[name]:,}" for name, each in whole.items())
    partial = "".join(
        f"; no split {name}, whose counts differ: {len(each):,}, {CTB_SENTENCES[name]:,}"
        for name, each in splits.items()
        if name not in whole
    )
    return whole, (
        "splits by the numbers of files that are usual for version 5.1 (Liu and Zhang 2017: train 001-270 and "
        f"440-1151, valid 301-325, test 271-300); sentences here, and there: {counts}{partial}"
    )


def _is_whole(split: str, sentences: int) -> bool:
    """Whether a split has about as many sentences as the Chinese Treebank's."""
    return abs(sentences - CTB_SENTENCES[split]) <= CTB_TOLERANCE * CTB_SENTENCES[split]


def repeated(by_file: ByFile, place: Path) -> str:
    """A phrase about a file most of whose sentences are in another too; empty if there is none.

    Args:
        by_file: the sentences of each file.
        place: the treebank's folder.
    """
    first: dict[tuple[str, ...], Path] = {}
    copies: list[tuple[Path, Path, int, int]] = []
    for path, sentences in by_file.items():
        long = [sentence.words for sentence in sentences if len(sentence.words) >= LEAST_WORDS]
        others = Counter(first[words] for words in long if words in first)
        for words in long:
            first.setdefault(words, path)
        for other, shared in others.most_common(1):
            if len(long) >= LEAST_SENTENCES and 2 * shared > len(long):
                copies.append((path, other, shared, len(long)))
    if not copies:
        return ""
    path, other, shared, long_ones = copies[0]
    more = f"; so it is with {len(copies) - 1:,} files more" if len(copies) > 1 else ""
    names = [each.relative_to(place) for each in (path, other)]
    return (
        f"{shared:,} of {long_ones:,} longer sentences of {names[0]} are in {names[1]} too and count twice{more}: "
        "name a folder or file without them"
    )
