"""Names of the documents in Python: ``acceptedTime`` on the wire is ``accepted_time`` here, and both are read."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Self, overload

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


def of_the_documents(owner: object, name: str) -> Any:
    """Return the attribute that the documents call ``name``. Raises AttributeError."""
    snake = _HUMP.sub(lambda match: f"_{match[1].lower()}", name)
    if snake == "experiment_id":
        snake = "id"
    if snake != name and not name.startswith("_") and hasattr(type(owner), snake):
        return getattr(owner, snake)
    raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}", name=name, obj=owner)


class Moment:
    """A time of an experiment, by its name in the documents; None if that has not come."""

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...

    @overload
    def __get__(self, owner: object, kind: type) -> datetime | None: ...

    def __get__(self, owner: Any, kind: type) -> Self | datetime | None:
        if owner is None:
            return self
        text = owner._known[self._name]
        return None if text is None else datetime.fromisoformat(text)
