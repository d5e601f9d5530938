"""Inline code travels in a ConfigMap, byte for byte, and never through the text of a shell.

Each of its top names is mounted by itself into an empty folder, so that programs can write where they start, as they
can on other targets; the files themselves are read-only.
"""

from __future__ import annotations

from submarine_jupyter.models import CodeSpec
from submarine_jupyter.spec.code_files import BINARY, MOST_FILES, is_binary
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft
from submarine_jupyter_server.targets.kubernetes.manifests.recognition.metadata import metadata
from submarine_jupyter_server.targets.kubernetes.raw_json import Json

CODE_PATH = "/code"
_MAX_NAMES = 64 * 1024
_SCRIPT = 0o755
_FOLDER, _FILES = "code-folder", "code-files"


def code_path(draft: Draft) -> str | None:
    """Return where replicas find the code, if the experiment brings any."""
    return CODE_PATH if _files(draft.spec.code) else None


def objects(draft: Draft) -> list[Json]:
    """Return the ConfigMap of the code: another one for each attempt, as nodes may remember the former."""
    if not _files(draft.spec.code):
        return []
    texts = {key: text for key, (_, text) in _keys(draft).items()}
    binary = {key: text.removeprefix(BINARY) for key, text in texts.items() if is_binary(text)}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(draft, _name(draft)),
            "immutable": True,
            "data": {key: text for key, text in texts.items() if key not in binary},
            **({"binaryData": binary} if binary else {}),
        }
    ]


def sources(draft: Draft) -> list[Json]:
    """Return the volumes of the code."""
    if not _files(draft.spec.code):
        return []
    items = [
        {"key": key, "path": name} | ({"mode": _SCRIPT} if text.startswith("#!") else {})
        for key, (name, text) in _keys(draft).items()
    ]
    return [
        {"name": _FOLDER, "emptyDir": {}},
        {"name": _FILES, "configMap": {"name": _name(draft), "items": items}},
    ]


def mounts(draft: Draft) -> list[Json]:
    """Return where a container finds the code."""
    files = _files(draft.spec.code)
    if not files:
        return []
    return [
        {"name": _FOLDER, "mountPath": CODE_PATH},
        *(
            {"name": _FILES, "mountPath": f"{CODE_PATH}/{top}", "subPath": top, "readOnly": True}
            for top in _top_names(files)
        ),
    ]


def places(code: CodeSpec | None) -> set[str]:
    """Return the paths at which code is mounted."""
    files = _files(code)
    return {CODE_PATH, *(f"{CODE_PATH}/{top}" for top in _top_names(files))} if files else set()


def problems(code: CodeSpec | None) -> list[str]:
    """Return why code cannot travel."""
    if code is None:
        return []
    if code.sync_mode == "git":
        return ["code.git: not supported on Kubernetes yet; clone it in the image or on a volume, or send the files"]
    files = _files(code)
    found = []
    if len(files) > MOST_FILES or sum(len(name.encode()) for name in files) > _MAX_NAMES:
        found.append(f"code.files: more than {MOST_FILES} files, or too long names; put the code on a volume")
    for name in files:
        top = name.split("/")[0]
        if top.startswith("..") or ":" in top:
            found.append(f"code.files: '{name[:80]}' cannot be mounted: its first part has a ':' or begins with '..'")
    return found


def _files(code: CodeSpec | None) -> dict[str, str]:
    return (code.files if code else None) or {}


def _name(draft: Draft) -> str:
    return f"{draft.stem}-code-{draft.launch.attempt}"


def _keys(draft: Draft) -> dict[str, tuple[str, str]]:
    # A key may have letters, digits and three signs only; a file's name any other too.
    return {f"file-{i}": item for i, item in enumerate(_files(draft.spec.code).items())}


def _top_names(files: dict[str, str]) -> list[str]:
    return list(dict.fromkeys(name.split("/")[0] for name in files))
