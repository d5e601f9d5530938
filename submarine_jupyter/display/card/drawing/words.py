"""A sentence as HTML and as plain text at once; whatever goes in is escaped, so no text of others becomes markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from submarine_jupyter.display.card.drawing.values import LONGEST_REASON, clean

MUTED = "opacity:.72"
_CODE = "font-size:.92em"
_UNBROKEN = 34
# A blank at which no line of text ends; blocks write it as a common one.
UNBROKEN = "\u00a0"


@dataclass(frozen=True, slots=True)
class Words:
    """The same words twice: ``html`` is safe to show, ``text`` is plain."""

    html: str = ""
    text: str = ""

    def __add__(self, other: Words | str) -> Words:
        more = say(other)
        return Words(self.html + more.html, self.text + more.text)

    def __radd__(self, other: str) -> Words:
        return say(other) + self

    def __bool__(self) -> bool:
        return bool(self.text)


NOTHING = Words()


def say(text: Words | str, longest: int = LONGEST_REASON) -> Words:
    """Return a text as words, made clean and cut; blanks at its ends stay."""
    if isinstance(text, Words):
        return text
    inner = clean(text, longest)
    before, after = text[:1] == " ", text[-1:] == " "
    plain = f"{' ' if before else ''}{inner}{' ' if after and inner else ''}"
    return Words(escape(plain), plain)


def bold(text: Words | str) -> Words:
    """Return words in bold."""
    words = say(text)
    return Words(f"<b>{words.html}</b>", words.text) if words else words


def muted(text: Words | str) -> Words:
    """Return words of second rank."""
    words = say(text)
    return Words(f'<span style="{MUTED}">{words.html}</span>', words.text) if words else words


def code(text: str) -> Words:
    """Return what can be typed."""
    words = say(text)
    unbroken = ";white-space:nowrap" if len(words.text) < _UNBROKEN else ""
    return Words(f'<code style="{_CODE}{unbroken}">{words.html}</code>', words.text.replace(" ", UNBROKEN))


def titled(words: Words, title: str) -> Words:
    """Return words that show ``title`` under the mouse."""
    return Words(f'<span title="{escape(clean(title))}">{words.html}</span>', words.text)


def joined(parts: Iterable[Words | str], between: str = " · ") -> Words:
    """Return those of the parts that are not empty, with something between."""
    words = Words()
    for part in parts:
        if part:
            words = words + (between if words else "") + part
    return words
