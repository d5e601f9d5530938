"""Every sentence that a person can meet, on one page: ``golden/texts.md``, to be read as a whole.

The page is made from the sources by their syntax: reasons, refusals, errors, notices, hints, help. UPDATE_GOLDEN=1
writes it again. What is put in at run time stands in braces.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tests.test_imports import modules

PAGE = Path(__file__).parent / "golden" / "texts.md"
HEAD = """# What a person can read

Every sentence in the sources, module by module: reasons, refusals, errors, notices, hints, help. Each names its
subject, is active, has one idea and says what to do. `{name}` is put in at run time, `{this|that}` is one of both.

`UPDATE_GOLDEN=1 pytest tests/test_texts.py` writes this page.
"""
FEWEST_WORDS = 3
NOBODY_READS = (  # SQL, word lists, what is no text
    "submarine_jupyter_server.store.sqlite.migrations",
    "submarine_jupyter_server.store.sqlite.schema",
    "submarine_jupyter_server.store.tables.dialect",
    "submarine_jupyter_server.metrics.names",
    "submarine_jupyter_server.metrics.pairs",
    "submarine_jupyter_server.masking.sensitive",
)
_WORD = re.compile(r"(?<![^\s(\"'`,;|])[A-Za-z][a-z']*(?=[\s,.:;!?)\"'`|]|$)")
_NO_SENTENCE = re.compile(
    r"""\s*(?:[{<]+"?\w+"?[:>]|PRAGMA |SELECT |command -v |id: |event: """
    r"""|<\w+ \w+=|[a-z-]+:[^ ]*;[a-z-]+:|[a-z]+='[^']*' [a-z]+)"""  # HTML, CSS, SVG
)
_LINE_END = re.compile(r" *\n *")
_LOG = re.compile(r"(?:self\._?)?log(?:ger)?\.\w+")
_PATTERN = re.compile(r"re\.\w+|_\w+\.(?:match|search|fullmatch)")


def sentences(module: str, tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a module that have enough words, each once."""
    if module.startswith(NOBODY_READS):
        return
    known = set()
    for text in _texts(tree):
        if text not in known and len(_WORD.findall(text)) >= FEWEST_WORDS and not _NO_SENTENCE.match(text):
            known.add(text)
            yield text


def _texts(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return
        case ast.Compare():  # what others write
            return
        case ast.Call(func=function) if _for_nobody(function):
            return
        case ast.keyword(arg="name" | "thread_name_prefix" | "pattern"):
            return
        case ast.Dict():  # its keys are what others write
            for value in node.values:
                yield from _texts(value)
            return
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield _joined(node)
            for part in node.values:
                if isinstance(part, ast.FormattedValue) and not isinstance(part.value, ast.IfExp):
                    yield from _texts(part.value)
            return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


def _for_nobody(function: ast.expr) -> bool:
    """Whether a call takes a log line, a pattern or a list of words."""
    name = ast.unparse(function)
    return bool(_LOG.fullmatch(name) or _PATTERN.fullmatch(name)) or (
        isinstance(function, ast.Attribute) and function.attr == "split" and isinstance(function.value, ast.Constant)
    )


def _joined(node: ast.JoinedStr) -> str:
    return "".join(_shown(part) for part in node.values)


def _shown(node: ast.expr | None) -> str:
    """Return how a part of a text is shown: itself, or in braces the name it has in the source."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=value):
            return f"{{{_named(value)}}}"
        case ast.JoinedStr():
            return _joined(node)
        case None:
            return ""
    return f"{{{_named(node)}}}"


def _named(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_")
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr():
            return _joined(node)
        case ast.Subscript(value=value) | ast.Await(value=value) | ast.BinOp(left=value):
            return _named(value)
        case ast.Call(args=[value, *_]):
            return _named(value)
        case ast.Call(func=function):
            return _named(function.value if isinstance(function, ast.Attribute) else function)
        case ast.IfExp(body=one, orelse=other):
            return f"{_named(one)}|{_named(other)}"
        case ast.BoolOp(values=values):
            return "|".join(map(_named, values))
    return "..."


def page() -> str:
    """Return the page as it should be."""
    parts = [HEAD]
    for module, file in sorted(modules().items()):
        found = list(sentences(module, ast.parse(file.read_text(encoding="utf-8"))))
        if found:
            lines = "".join(f"- {_LINE_END.sub(' / ', text.strip())}\n" for text in found)
            parts.append(f"## {module}\n\n{lines}")
    return "\n".join(parts)


def test_the_page_of_all_texts_is_up_to_date() -> None:
    made = page()
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made, "UPDATE_GOLDEN=1 writes the page again; then read what is new"


def test_a_text_is_found_with_what_is_put_into_it() -> None:
    source = '''
"""Not this docstring, for nobody meets it."""
log.warning("not what goes into the log")
raise No(f"{path.name}: {len(those)} {'file' if one else 'files'} {why or 'for no reason'} go", hint="Remove it all.")
'''
    assert list(sentences("some.module", ast.parse(source))) == [
        "{name}: {those} {file|files} {why|for no reason} go",
        "for no reason",
        "Remove it all.",
    ]
