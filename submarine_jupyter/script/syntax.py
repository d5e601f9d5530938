"""A cell as a Python script: what no Python can run is refused before anything is submitted."""

from __future__ import annotations

import re
import warnings

from submarine_jupyter.errors import UsageError

# It stands where the magic stands in the cell: so the lines of the file have the numbers of those of the cell.
HEAD = "# %%submarine run\n"
_OF_IPYTHON = re.compile(r"\s*(?:[%!].*|\?{1,2}[\w.*%]+|[\w.*%]+\?{1,2}|[\w\s,.*()\[\]]+=\s*[%!].*)\s*$")


def script_of(body: str) -> str:
    """Return the text of the file that the body of a cell becomes."""
    return HEAD + body


def check(body: str, cell: str) -> None:
    """Refuse the body of a cell that is no Python. Raises UsageError, which names the line of ``cell``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the replica warns
            compile(script_of(body), cell, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(_complaint(error, script_of(body), cell)) from None
    except ValueError as error:  # a NUL character
        raise UsageError(f"{cell}: {error}") from None


def _complaint(error: SyntaxError, text: str, cell: str) -> str:
    where = f"{cell}, line {error.lineno}"
    line = (text.split("\n")[(error.lineno or 1) - 1 :] or [""])[0]
    if _OF_IPYTHON.match(line):
        return (
            f"{where}: {line.strip()!r} is understood by IPython only, and this cell runs as a script in another "
            "process: leave it out, or put it into a cell of its own"
        )
    said = f"{where}: {type(error).__name__}: {error.msg}"
    if "outside function" in error.msg and line.lstrip().startswith(("await", "async")):
        said += "; a script has no event loop: asyncio.run(main()) runs one"
    if not line.strip() or error.offset is None:
        return said
    indent = len(line) - len(line.lstrip())
    return f"{said}\n    {line.strip()}\n    {' ' * (error.offset - 1 - indent)}^"
