"""What front ends let through, and what hostile texts, long lists and many replicas may not do to a card."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from submarine_jupyter.display.card.bundle import MIME
from submarine_jupyter.display.card.drawing.blocks import COLUMNS
from submarine_jupyter.display.card.drawing.values import width
from submarine_jupyter.display.card.experiment import Scene, Shown
from submarine_jupyter.display.card.show import show_comparison, show_experiment, show_group, show_list, show_target
from tests.kernel.display.card.scenes import (
    COMPARED,
    FAILED,
    METRICS,
    NOW,
    RUNNING,
    SCENES,
    TARGET,
    experiment_id,
    rising,
    row,
    series,
)

LIMIT = 64 * 1024
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' style='position:fixed",
    "</pre></div><style>*{display:none}</style>",
    "javascript:alert(1)&#60;b&#62;",
    "\x1b[31m\x1b]0;title\x07\x1b[2J\x1b[10A red",
    "\x00\x07\x08\r\n\t\u202e\u200b\ufeff\x9b31m",
    "\ud800 half",
    "字" * 3000,
    "a" * 5000,
    "{x} %s {{y}} \\u003cb\\u003e",
    "",
]
TAGS = {"div", "span", "b", "img", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
ATTRIBUTES = {"style", "alt", "src", "title", "colspan"}
# The properties that JupyterLab's sanitizer (apputils 4.7) lets through, of those that cards use, and one that it
# takes away without harm.
PROPERTIES = {
    "align-items",
    "background",
    "border",
    "border-bottom",
    "border-collapse",
    "border-left",
    "border-radius",
    "border-top",
    "box-shadow",
    "box-sizing",
    "color",
    "cursor",
    "display",
    "flex",
    "flex-direction",
    "flex-wrap",
    "font-size",
    "font-weight",
    "gap",
    "height",
    "justify-content",
    "letter-spacing",
    "line-height",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-top",
    "max-height",
    "max-width",
    "min-width",
    "opacity",
    "overflow",
    "padding",
    "padding-top",
    "table-layout",
    "text-align",
    "text-transform",
    "vertical-align",
    "white-space",
    "width",
    "font-variant-numeric",
}
NEVER = re.compile(
    r"<(?:script|style|svg|p|h\d|a|iframe)\b|var\(|url\(|calc\(|min\(|\bfr\b|position|!important|\bid=|\bclass=|on\w+="
)


class Page(HTMLParser):
    """A card as a front end reads it: tags, styles, and the text that is there without any style."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.bare = ""
        self.feed(markup)
        self.close()
        assert self.open == [], "not balanced"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag != "img":
            self.open.append(tag)
        if tag in ("div", "tr", "pre", "table", "details", "summary"):
            self.bare += "\n"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "not nested"
        if tag in ("div", "tr", "pre"):
            self.bare += "\n"

    def handle_data(self, data: str) -> None:
        self.bare += data


def check(shown: dict[str, Any], limit: int = LIMIT) -> Page:
    """Check what holds for every card; return its page."""
    markup, text = shown["text/html"], shown["text/plain"]
    page = Page(markup)
    assert {tag for tag, _ in page.tags} <= TAGS
    for tag, attributes in page.tags:
        assert set(attributes) <= ATTRIBUTES, attributes
        assert ("src" in attributes) == (tag == "img")
        assert attributes.get("src", "data:image/svg+xml,").startswith("data:image/svg+xml,")
        declared = [one.partition(":")[::2] for one in attributes.get("style", "").split(";") if one]
        assert {name for name, _ in declared} <= PROPERTIES, attributes
        if tag in ("table", "thead", "tbody", "tr", "th", "td"):
            # VS Code takes every border of a table away.
            assert not {
                name for name, value in declared if name.startswith("border") and value not in ("0", "collapse")
            }
    shapes = re.sub(r"src=\"[^\"]*\"", "", re.sub(r">[^<]*<", "><", markup))
    assert not NEVER.search(shapes), NEVER.search(shapes)
    assert len(markup.encode("utf-8", "surrogatepass")) <= limit
    assert len(text.encode("utf-8", "surrogatepass")) <= limit
    for line in text.splitlines():
        assert width(line) <= COLUMNS, line
        assert line.isprintable(), line
    markup.encode(), text.encode()
    return page


@pytest.mark.parametrize("name", SCENES)
def test_every_front_end_lets_a_card_through(name: str) -> None:
    check(SCENES[name]())


@pytest.mark.parametrize("name", SCENES)
def test_without_styles_and_pictures_the_words_are_there_and_apart(name: str) -> None:
    """GitHub takes styles and pictures away: what stands for them is shown then."""
    shown = SCENES[name]()
    bare = " ".join(Page(shown["text/html"]).bare.split())
    first = shown["text/plain"].splitlines()[0]
    for part in re.split(r"\s{2,}", first):
        for word in part.split(" · "):
            assert word in bare, (word, bare)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_others_becomes_markup(text: str) -> None:
    known = {
        **RUNNING,
        "spec": {**RUNNING["spec"], "meta": {**RUNNING["spec"]["meta"], "name": text, "framework": text}},
    }
    detail = known["detail"] | {
        "message": text,
        "target": text,
        "notes": [text],
        "progress": {"percent": 3, "label": text},
    }
    scene = Scene(
        waits=True, cell=text, trouble=text, series=series(**{text: [1.0, 2.0]}) + METRICS,
        shown=Shown([(text, text)] * 4, bars=[(text, text)]),
    )  # fmt: skip
    for state in ("Running", "Queued", "Failed", "Stopped", "Succeeded", "Stopping", text):
        check(show_experiment({**known, "detail": {**detail, "state": state}}, scene, now=NOW))
    check(show_experiment(known, Scene(away=NOW - timedelta(seconds=9), trouble=text), now=NOW))
    failed = {
        **FAILED,
        "detail": FAILED["detail"] | {"firstError": {"text": text, "where": f"{text}:3", "replica": text}},
    }
    check(show_experiment(failed, Scene(cell=text), now=NOW))
    one = row(1, text, "Failed", 0.5, 0.1, 0.1, message=text, params={text: text}, target=text) | {"state": text}
    check(show_list([one, one], now=NOW, of=text, notices=[text], metrics=[text]))
    check(show_group(text, [one, one], now=NOW, metric="accuracy", cell=text))
    compared = {**COMPARED, "params": [{"name": text, "values": [text] * 4}], "same": {text: text}}
    check(show_comparison(compared, now=NOW, of=text, variable="cmp"))
    check(show_target(TARGET | {"name": text, "health": {"ok": False, "message": text}, "namespaces": [text]}, now=NOW))


def test_a_card_has_room_for_the_largest_experiment() -> None:
    lines = [(f"worker-{at}", "x" * 400) for at in range(1000)]
    many = series(**{f"metric_{at}": rising(1.0, 9, 1000) for at in range(50)})
    known = {**RUNNING, "detail": RUNNING["detail"] | {"message": "why " * 1000}}
    check(show_experiment(known, Scene(waits=True, series=many, shown=Shown(lines, bars=lines)), now=NOW))


def test_long_lists_are_folded_and_say_so() -> None:
    rows = [row(at, f"name-{at}", "Failed", 0.5, 0.2, 0.1, message="why " * 100) for at in range(1, 1001)]
    shown = show_list(rows, now=NOW, more="%submarine list --limit 1000")
    check(shown)
    assert "… 970 more: %submarine list --limit 1000" in shown["text/plain"]
    assert len(shown[MIME]["experiments"]) == 200

    curves = {experiment_id(at): rising(0.9, 9, 1000) for at in range(1, 1001)}
    group = show_group(
        "lr", [row(at, "x", "Running", at / 1000, 0.2, at / 7) for at in range(1, 1001)], now=NOW, curves=curves
    )
    check(group)
    assert "… 984 more" in group["text/plain"]

    ids = range(1, 101)
    compared = {
        "experiments": [row(at, f"name-{at}", "Running", 0.5, 0.2, 0.1) for at in ids],
        "params": [{"name": f"p{at}", "values": [f"v{one}" for one in ids]} for at in range(100)],
        "same": {f"s{at}": "x" * 200 for at in range(100)},
        "metrics": [{"name": f"accuracy{at}", "last": [one / 100 for one in ids]} for at in range(100)],
    }
    check(show_comparison(compared, now=NOW, curves=curves))


def test_of_equal_trials_the_first_leads() -> None:
    rows = [row(at, "x", "Succeeded", 0.9, 0.2, 0.1) for at in (3, 2, 1)]
    text = show_group("lr", rows, now=NOW)["text/plain"]
    assert "(experiment 1)" in text
    assert "from the next" not in text


def test_a_running_card_keeps_its_height() -> None:
    heights = set()
    for at in range(20):
        known = {**RUNNING, "detail": RUNNING["detail"] | {"progress": {"percent": at * 5, "label": f"epoch {at}"}}}
        lines = [("worker-0", f"line {n}") for n in range(at % 5)]
        bars = [(f"worker-{n}", "x" * at) for n in range(3)]
        scene = Scene(waits=True, series=METRICS, shown=Shown(lines, bars=bars))
        markup = show_experiment(known, scene, now=NOW + timedelta(seconds=at))["text/html"]
        heights.add((markup.count("\n"), markup.count("<div")))
    assert len(heights) == 1


def test_the_json_names_the_experiment_and_nothing_else() -> None:
    about = SCENES["running"]()[MIME]
    assert about == {
        "version": 1, "experiment": experiment_id(41), "instance": "1764290000000", "state": "Running",
        "written": "2026-11-28T14:03:21.000Z",
    }  # fmt: skip
    assert SCENES["group"]()[MIME]["group"] == "mnist-lr"
    assert SCENES["list"]()[MIME]["experiments"][0] == experiment_id(46)
    assert MIME not in SCENES["target"]()


def test_a_narrow_terminal_gets_the_state_in_a_line_of_its_own() -> None:
    from submarine_jupyter.display.card.experiment import experiment_card

    lines = experiment_card(RUNNING, NOW, Scene(waits=True)).text(60).splitlines()
    assert lines[:2] == ["▶ mnist-tf  41", "  Running · 4 min 12 s"]
    assert max(map(width, lines)) <= 60
