from __future__ import annotations

import pytest

from submarine_jupyter.errors import UsageError
from submarine_jupyter.script.syntax import check, script_of


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("x = 1\nprint(\n", "Cell In[3], line 3: SyntaxError: '(' was never closed\n    print(\n         ^"),
        ("if x:\n    y =\n", "Cell In[3], line 3: SyntaxError: invalid syntax\n    y =\n       ^"),
        ("a\n  b\n", "Cell In[3], line 3: IndentationError: unexpected indent"),
        ("import os\n%matplotlib inline\n", "Cell In[3], line 3: '%matplotlib inline' is understood by IPython only"),
        ("!pip install x", "Cell In[3], line 2: '!pip install x' is understood by IPython only"),
        ("for i in a:\n    files = !ls {i}\n", "Cell In[3], line 3: 'files = !ls {i}' is understood by IPython only"),
        ("x = %time 1\n", "Cell In[3], line 2: 'x = %time 1' is understood by IPython only"),
        ("print?\n", "Cell In[3], line 2: 'print?' is understood by IPython only"),
        ("?print\n", "Cell In[3], line 2: '?print' is understood by IPython only"),
        ("print('what?\n", "Cell In[3], line 2: SyntaxError: unterminated string literal"),
        ("%%time\nx = 1", "Cell In[3], line 2: '%%time' is understood by IPython only"),
        ("await f()\n", "a script has no event loop: asyncio.run(main()) runs one"),
        ("return 1", "Cell In[3], line 2: SyntaxError: 'return' outside function"),
        ("x = '\0'", "Cell In[3]"),
        ("\ud800", "Cell In[3]"),
    ],
)
def test_what_python_cannot_run_is_named_with_the_line_of_the_cell(body: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(body, "Cell In[3]")

    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "x = (1\n%2)\n",
        'text = """\n!ls\n%time\n"""\n',
        "from __future__ import annotations\nx = 1 if 1 is 1 else 2\n",
        "'''About it.'''\nfrom __future__ import division\n",
        "async def f():\n    await g()\n",
    ],
)
def test_what_python_runs_passes_without_a_word(body: str) -> None:
    check(body, "Cell In[3]")


def test_lines_of_the_file_have_the_numbers_of_the_cell() -> None:
    cell = "%%submarine run --worker 2\nfirst = 1\nsecond = 2\n"
    body = cell.partition("\n")[2]

    assert script_of(body).splitlines()[1:] == cell.splitlines()[1:]
