"""The rows of all experiments as text, remembered: to make ten thousand anew takes a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from submarine_jupyter_server.store.annotations.row_changes import Place

MOST_CHARACTERS = 32 * 1024 * 1024
"""Of more than so many nothing is remembered: about 50,000 experiments."""


@dataclass(frozen=True, slots=True)
class Row:
    """The row of one experiment as JSON text, None once it is deleted; ``seq`` is the order of acceptance."""

    seq: int
    experiment_id: str
    owner: str
    text: str | None


class RowTexts:
    """What all rows were at ``place``, or are since; nothing where ``place`` is None."""

    def __init__(self, most: int = MOST_CHARACTERS) -> None:
        self.place: Place | None = None
        self._most = most
        self._size = 0
        self._rows: dict[int, Row] = {}

    def begin(self, rows: Iterable[Row], place: Place) -> None:
        """Remember all rows, each at least as new as ``place``."""
        if self.place is None or place.covers(self.place):
            self.forget()
            self.place = place
            self._put(rows)

    def add(self, rows: Iterable[Row]) -> None:
        """Remember further rows of the same reading, if those before them are remembered."""
        if self.place is not None:
            self._put(rows)

    def rows(self) -> list[Row]:
        """Return what is remembered, in no order."""
        return list(self._rows.values())

    def go_on(self, changed: Mapping[str, Row], after: Place, until: Place) -> None:
        """Take what has changed between two places, as it was at the second, unless newer rows are known."""
        if self.place is not None and self.place.covers(after) and until.covers(self.place):
            self.place = until
            self._put(changed.values())

    def forget(self) -> None:
        """Remember nothing."""
        self.place, self._size, self._rows = None, 0, {}

    def of(self, owner: str | None) -> list[str]:
        """Return the rows of an owner (None: of all), newest first."""
        found = (self._rows[seq] for seq in sorted(self._rows, reverse=True))
        return [row.text for row in found if row.text is not None and owner in (None, row.owner)]

    def _put(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._size += len(row.text or "") - len(_text(self._rows.pop(row.seq, None)))
            if row.text is not None:
                self._rows[row.seq] = row
        if self._size > self._most:
            self.forget()


def _text(row: Row | None) -> str:
    return "" if row is None or row.text is None else row.text
