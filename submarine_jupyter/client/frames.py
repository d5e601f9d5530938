"""pandas, where it is there: nothing but ``to_pandas`` needs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from submarine_jupyter.errors import InvalidRequest


def pandas() -> Any:
    """Return the module pandas. Raises InvalidRequest that says how to install it."""
    try:
        return import_module("pandas")
    except ImportError:
        raise InvalidRequest("to_pandas needs pandas, which is not installed.", hint="%pip install pandas") from None
