"""Shorten what Kubernetes says, so that a person reads where it is wrong and what.

The place stands in front, what is wrong with it behind a copy of the value, which may be a whole pod:
``spec.template: Invalid value: {...}: field is immutable``
(https://github.com/kubernetes/apimachinery/blob/master/pkg/util/validation/field/errors.go).
"""

from __future__ import annotations

import re

from .trouble import cut, flat

_LONGEST_READ = 4096
_LONGEST_VALUE = 40
_SUBJECT = re.compile(r'^[\w.]+ "[^"]{0,253}" is invalid: ')
_VALUE = re.compile(r'(?<=value: )(?:[^\s{"]{0,80}\{.*?\}|\[.*?\]|"(?:[^"\\]|\\.)*")(?=: |, |$)')
_KINDS = "Invalid|Unsupported|Duplicate|Required|Forbidden|Not found|Too (?:long|many|few)|Internal error"
_NEXT = re.compile(rf", (?=[\w<][^\s,]{{0,200}}: (?:{_KINDS})\b)")


def shortened(text: str, longest: int) -> str:
    """Return at most ``longest`` characters: the first faults named, each with its place and what is wrong."""
    line = _SUBJECT.sub("", flat(middle_cut(text, _LONGEST_READ)))
    if line.startswith("[") and line.endswith("]"):
        line = line[1:-1]
    faults = list(dict.fromkeys(_NEXT.split(_VALUE.sub(_short, line))))
    kept = middle_cut(faults[0], longest - 15 * (len(faults) > 1))
    for index, fault in enumerate(faults[1:], 1):
        left = len(faults) - index
        if len(kept) + len(fault) + 2 > longest - 15 * (left > 1):
            return f"{kept}; and {left} more"
        kept = f"{kept}; {fault}"
    return kept


def middle_cut(text: str, longest: int) -> str:
    """Return a text without its middle if it is too long: its beginning says where, its end says what."""
    if len(text) <= longest:
        return text
    front = (longest - 3) // 3
    return f"{text[:front].rstrip()} … {text[front + 3 - longest :].lstrip()}"


def _short(found: re.Match[str]) -> str:
    return found[0] if len(found[0]) <= _LONGEST_VALUE else "…" if found[0][-1] != '"' else f'{cut(found[0], 30)}"'
