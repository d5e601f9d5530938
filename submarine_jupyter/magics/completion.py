"""Complete ``%submarine`` lines: what is known at once, and experiments if the server answers quickly."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from submarine_jupyter.errors import SubmarineError

if TYPE_CHECKING:
    from submarine_jupyter.commands.session import Session

# The line up to the cursor: alone, assigned, or the head of a cell.
_LINE = re.compile(r"(?:[\w, ]+=\s*)?%{1,2}submarine[ \t]+(?P<words>[^\n]*)")
# How long a key press waits for the server, and how long its answer is good for (s).
PATIENCE_S = 0.15
FRESH_S = 3.0
ROWS = 200

Matcher = Callable[[CompletionContext], dict[str, Any]]


class Refresh:
    """Asks a server that is known already for its newest experiments, in a thread of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked = -FRESH_S
        self._thread = threading.Thread()

    def __call__(self) -> None:
        """Wait shortly for what there is; what comes later is there for the next key press."""
        if self._session.connected is None:
            return
        if not self._thread.is_alive() and time.monotonic() - self._asked >= FRESH_S:
            self._asked = time.monotonic()
            self._thread = threading.Thread(target=self._ask, name="submarine-completion", daemon=True)
            self._thread.start()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)

    def _ask(self) -> None:
        client = self._session.connected
        try:
            if client is not None:
                self._session.ids.meet(client.rows(limit=ROWS))
        except (SubmarineError, RuntimeError):  # a client that is closed meanwhile
            return


def matcher(session: Callable[[], Session]) -> Matcher:
    """Return a matcher for ``shell.Completer.custom_matchers``; the ``session`` is made with the first line of ours."""
    made: list[Refresh] = []

    def submarine_matcher(context: CompletionContext) -> dict[str, Any]:
        match = _LINE.fullmatch(context.text_until_cursor.lstrip())
        if match is None:
            return {"completions": []}
        from submarine_jupyter.commands.completion import complete

        ours = session()
        if not made:
            made.append(Refresh(ours))
        *before, fragment = match["words"].split(" ")
        found = complete([word for word in before if word], fragment, ours.grammar, ours.ids, made[0])
        return {
            "completions": [SimpleCompletion(text=one.word, type=one.about or "param") for one in found],
            # The completer's own idea of a token ends at a dash.
            "matched_fragment": fragment,
            "ordered": True,
            "suppress": bool(found),
        }

    marked: Matcher = context_matcher()(submarine_matcher)
    return marked
