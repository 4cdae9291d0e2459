"""Shows text of files and command lines without letting it act on the terminal."""

import re

# What a terminal may obey: control characters besides white space, halves of characters, and characters that turn the
# direction of writing.
ACTING = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """A text in which every character that a terminal may obey is spelt out, such as \\x1b for escape."""
    return ACTING.sub(lambda found: spelt(found[0]), text)


def one_line(text: object) -> str:
    """The same in one line, for messages: all white space becomes single spaces."""
    return printable(" ".join(str(text).split()))


def spelt(character: str) -> str:
    """How a character is written in Python."""
    return character.encode("unicode_escape").decode()
