"""A function as bytes, its code under the names that its writer knows: ``Cell In[4]``."""

from __future__ import annotations

import io
import linecache
import sys
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from submarine_jupyter.errors import UsageError

_NAMELESS = "<dynamic-code>"  # what cloudpickle calls the file of any code


def pickled(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    """Return a function with its arguments, what the notebook defines by value. Raises UsageError."""
    import cloudpickle

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if not isinstance(value, CodeType):
                return super().reducer_override(value)
            make, parts, *rest = self.dispatch_table[CodeType](value)
            file = _file(value.co_filename)
            return make, tuple(file if part in (_NAMELESS, value.co_filename) else part for part in parts), *rest

    buffer = io.BytesIO()
    try:
        Pickler(buffer).dump((function, args, kwargs))
    except (TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{function.__name__} cannot be sent with what it uses: {error}. Open files, connections and locks stay in "
            "their process: make them within the function"
        ) from None
    return buffer.getvalue()


def _file(name: str) -> str:
    """Return ``Cell In[4]`` for the file that IPython has made of a cell, whose lines tracebacks find by that, too."""
    cell = _cell(name)
    if cell is None:
        return name
    lines = linecache.getlines(name)
    linecache.cache[cell] = (sum(map(len, lines)), None, lines, cell)
    return cell


def _cell(name: str) -> str | None:
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    known = getattr(getattr(shell, "compile", None), "format_code_name", None)
    found = known(name) if callable(known) else None
    return " ".join(found) if found else None
