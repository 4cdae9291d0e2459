"""Labelled trees drawn by hypothesis, and how each format of treebanks writes them, by plain recursion."""

from hypothesis import strategies as st

from app.parsing.trees import Node

# No white space or bracket; formats have a meaning for lines that begin with # or %%, and nltk for a backslash.
_CHARACTERS = st.characters(exclude_characters='()#%<>"\\\x85\xa0', exclude_categories=["Cs", "Cc", "Z", "Cf"])
words = st.text(_CHARACTERS, min_size=1, max_size=4)
labels = st.text("ABCNPSVX", min_size=1, max_size=3)
tags = st.sampled_from(["NN", "VV", "DT", "PU", "IN"])
leaves = st.builds(lambda tag, word: (tag, [word]), tags, words)
nodes = st.recursive(leaves, lambda inner: st.tuples(labels, st.lists(inner, min_size=1, max_size=4)), max_leaves=10)
# With a phrase at the top.
trees = st.tuples(labels, st.lists(nodes, min_size=1, max_size=3))


def is_leaf(node: Node) -> bool:
    return isinstance(node[1][0], str)


def leaves_of(node: Node) -> list[tuple[str, str]]:
    """Tag and word of every word."""
    return [(node[0], node[1][0])] if is_leaf(node) else [leaf for child in node[1] for leaf in leaves_of(child)]


def phrases_of(node: Node, start: int = 0) -> list[tuple[str, int, int]]:
    """Label, first word and end of every phrase of two words or more."""
    if is_leaf(node):
        return []
    found, at = [], start
    for child in node[1]:
        found += phrases_of(child, at)
        at += len(leaves_of(child))
    return found + ([(node[0], start, at)] if at - start > 1 else [])


def to_brackets(node: Node, space: str = " ") -> str:
    if is_leaf(node):
        return f"({node[0]} {node[1][0]})"
    return f"({node[0]}{space}{space.join(to_brackets(child, space) for child in node[1])})"


def to_export(node: Node, number: int, version: int) -> str:
    """A sentence in the export format; the phrases are numbered from 500 in the order of their ends."""
    lines: list[str] = []
    phrases: list[str] = []

    def columns(*values: str) -> str:
        name, tag, parent = values
        return "\t".join([name, *(["lemma"] if version == 4 else []), tag, "--", "HD", parent])

    def place(node: Node) -> list[int]:
        """Write a node; returns where its line has to get its parent: in the words or in the phrases."""
        if is_leaf(node):
            lines.append(columns(node[1][0], node[0], "PARENT"))
            return [len(lines) - 1]
        own: list[int] = []
        nested: list[int] = []
        for child in node[1]:
            (own if is_leaf(child) else nested).extend(place(child))
        name = str(500 + len(phrases))
        for at in own:
            lines[at] = lines[at].replace("PARENT", name)
        for at in nested:
            phrases[at] = phrases[at].replace("PARENT", name)
        phrases.append(columns(f"#{name}", node[0], "PARENT"))
        return [len(phrases) - 1]

    place(node)
    rows = [row.replace("PARENT", "0") for row in [*lines, *phrases]]
    return "\n".join([f"#BOS {number} 1 2 3", *rows, f"#EOS {number}", ""])


def to_conllu(tags_and_words: list[tuple[str, str]], heads: list[int]) -> str:
    """A sentence in CoNLL-U; heads count from 1, and 0 is the root."""
    rows = [
        "\t".join([str(at), word, word, tag, "_", "_", str(head), f"rel{at}" if head else "root", "_", "_"])
        for at, ((tag, word), head) in enumerate(zip(tags_and_words, heads, strict=True), 1)
    ]
    return "\n".join(["# text = invented", *rows, "", ""])
