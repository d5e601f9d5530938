"""Read the metrics and the step of a line that has names and numbers: ``Epoch 3, loss: 0.5, acc=0.8``.

The step is the one that the line names: ``step 10``, ``iter: 10``, else the epoch. Where a line has an epoch and a
place in it (``Epoch: 2 [640/60000]``, ``Epoch [2/10], Step [100/600]``), the step counts on over the epochs.
"""

from __future__ import annotations

import re

from submarine_jupyter_server.metrics.names import goes_along, is_metric, plain
from submarine_jupyter_server.metrics.templates import NUMBER

_PHASES = "train|training|val|valid|validation|test|eval|evaluation|dev"
_QUALIFIER = (
    rf"(?:{_PHASES}|average|avg\.?|mean|median|best|final|total|running|current|epoch|batch|lm|box|cls|obj|dfl|mask|"
    r"generator|discriminator|gen|disc|policy|value|actor|critic|macro|micro|weighted|balanced|squared|absolute|root|"
    r"log|reconstruction|recon|overall|ema|learning|grad|gradient|episode|ep|step|per|token|[gdq])"
)
# A name is one word, words that qualify it before it; what is part of a path, an option or a query is none.
_PAIR = re.compile(
    rf"(?<![\w\-/?&.$@'\"#%])(?P<name>(?:{_QUALIFIER}[ ]){{0,3}}[A-Za-z][\w./@'\-]{{0,63}}+(?:\([\w \-]{{1,12}}\))?)"
    rf"(?P<between>[ ]{{0,4}}[:=][ \t]{{0,8}}|[ ]{{1,12}}|[ ]{{1,24}}[|│┃][ ]{{1,24}})"
    rf"(?P<number>{NUMBER})(?P<behind>/[0-9]{{1,12}}(?![\w./])|%|)(?=[\s,;|)\]}}]|\.(?:\s|$)|$)",
    re.IGNORECASE | re.ASCII,
)
# ``[Train] loss: 0.5``, ``val Loss: 0.5 Acc: 0.8``; but ``Train Epoch: 1`` and ``Test set:`` are headings.
_PHASE = re.compile(
    rf"\[({_PHASES})\]|^\s{{0,20}}({_PHASES})(?=\s?[:|\-]|\s{{1,8}}(?!epoch|set\b|step|iter)\w)", re.IGNORECASE
)
_NAMED_PHASE = re.compile(rf"(?:^|_)(?:{_PHASES})(?:$|_)")
_EPOCH = re.compile(
    r"(?<![\w\-])epoch(?:\(\w{1,12}\))?[ #]{0,2}[:=]?[ ]{0,3}\[?[ ]{0,3}([0-9]{1,12})(?![.\w]?[0-9])"
    r"(?:[ ]?/[ ]{0,3}[0-9]{1,12})?\]?",
    re.IGNORECASE,
)
_PLACE = re.compile(r"[ ]{0,2}\[[ ]{0,8}([0-9]{1,12})[ ]?/[ ]{0,3}([0-9]{1,12})")
_STEP = re.compile(
    r"(?<![\w\-/])(?:global[ _]?step|steps?|iter(?:ation)?s?|update|num_updates|batch)[ #]{0,2}[:=]?[ ]{0,8}\[?[ ]{0,8}"
    r"([0-9]{1,15})(?![\w.]?[0-9])(?:[ ]?/[ ]{0,8}([0-9]{1,15}))?(?![\w%])",
    re.IGNORECASE,
)
# ``Namespace(lr=0.1, ...)`` and the like say how something was made.
_MADE = re.compile(r"\w\([^()]{0,200}=")
_SETTING = re.compile(r"[\w)\]]=")
_MANY = 8

MAX_CHARS = 1024

Found = list[tuple[str, str]]


def pairs(line: str) -> Found:
    """Return the metrics that the beginning of a line names: (name, number)."""
    line = line[:MAX_CHARS]
    made = _MADE.search(line)
    text = line[: made.start() + 1] if made else line
    phased = _PHASE.search(text)
    phase = (phased[1] or phased[2]).lower() if phased else ""
    found: Found = []
    beside: Found = []
    for match in _PAIR.finditer(text):
        name, number = match["name"], match["number"]
        if goes_along(name):
            beside.append((plain(name), number))
        elif _belong(match) and is_metric(name, number + (".0" if match["behind"] == "%" else "")):
            found.append((_full(plain(name), phase), _value(match)))
    if found and len(_SETTING.findall(text)) >= max(_MANY, 3 * len(found)):
        return []  # a dump of settings
    return found + beside if found else []


def step_of(line: str) -> int | None:
    """Return the step that a line names, None where it names none."""
    line = line[:MAX_CHARS]
    epoch, step = _EPOCH.search(line), _STEP.search(line)
    if epoch is not None:
        place = _PLACE.match(line, epoch.end())
        # ``Epoch: [0][ 10/391]`` counts from 0, the others from 1.
        first = 0 if "[" in epoch[0] and "/" not in epoch[0] else 1
        if place is None and step is not None and step[2] is not None:
            place = step
        if place is not None:
            return max(int(epoch[1]) - first, 0) * int(place[2]) + int(place[1])
    if step is not None:
        return int(step[1])
    return int(epoch[1]) if epoch else None


def _belong(match: re.Match[str]) -> bool:
    """Whether a name and a number belong together by what is between them: a blank does for a fraction only."""
    return match["between"].strip() != "" or "." in match["number"] or "e" in match["number"].lower()


def _full(name: str, phase: str) -> str:
    """Return a name with the phase of its line, unless it has one."""
    return name if not phase or _NAMED_PHASE.search(name) else f"{phase}_{name}"


def _value(match: re.Match[str]) -> str:
    """Return the number; ``9832/10000`` is a fraction."""
    whole = match["behind"].removeprefix("/")
    if whole == match["behind"] or not int(whole):
        return match["number"]
    return repr(float(match["number"]) / int(whole))
