from __future__ import annotations

import builtins
import collections
from typing import Any

import pytest

from submarine_jupyter.script.variables import left_behind


class Net:
    pass


NOTEBOOK: dict[str, Any] = {
    "data": list(range(100)),
    "lr": 0.1,
    "c": collections,
    "collections": collections,
    "Net": Net,
    "print": print,
    "_": 1,
}
HAS_NOT = "only this notebook has: it runs in a process of its own."


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("x = 1\nprint(data)\n", "Save it to a file, and read that in the cell (--files takes it along)"),
        ("def f():\n    return lr\n", "Pass it: --param lr={lr}, and os.environ['SUBMARINE_PARAM_LR'] has it"),
        ("\nc.Counter()\n", "Write 'import collections as c' in the cell"),
        ("\ncollections.Counter()\n", "Write 'import collections' in the cell"),
        ("\nnet = Net()\n", "Define it in the cell, or import it from a file beside the notebook"),
    ],
)
def test_a_name_that_only_the_notebook_has_gets_one_sentence(body: str, sentence: str) -> None:
    (said,) = left_behind(body, NOTEBOOK, "Cell In[3]")

    assert said.startswith("Cell In[3], line 3: the script has no '")
    assert said.endswith(f"{HAS_NOT} {sentence}")


@pytest.mark.parametrize("name", ["display", "get_ipython"])
def test_what_ipython_adds_to_python_is_none_of_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, name, print, raising=False)

    (said,) = left_behind(f"{name}()", {"get_ipython": print}, "Cell In[3]")

    assert said.startswith(f"Cell In[3], line 2: '{name}' is there in a notebook only")


@pytest.mark.parametrize(
    "body",
    [
        "data = 1\nprint(data)",
        "print(data)\ndata = 1",
        "import collections as c\nc.x",
        "from x import data\ndata",
        "from x import *\ndata",
        "def f(data):\n    return data",
        "def f():\n    global data\n    data = 1\nf()\ndata",
        "[data for data in ()]",
        "for data in (): print(data)",
        "class data: pass\ndata()",
        "x.data",
        "f(data=1)",
        "with open('x') as data:\n    data.read()",
        "try:\n    pass\nexcept Exception as data:\n    print(data)",
        "def f():\n    data = 1\n    def g():\n        return data\n    return g",
        "print(unknown)",
        "print(__file__)",
        "if (data := 1): print(data)",
        "match 1:\n    case data:\n        print(data)",
    ],
)
def test_a_name_of_the_script_is_its_own(body: str) -> None:
    assert left_behind(body, NOTEBOOK, "Cell In[3]") == []


def test_many_names_are_no_flood() -> None:
    many = {f"v{i}": i for i in range(9)}

    said = left_behind("\n".join(many), many, "Cell")

    assert len(said) == 4
    assert said[-1] == "The script has not either: v3, v4, v5, v6, v7, v8"
