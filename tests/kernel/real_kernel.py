"""A real IPython kernel as a process of its own."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

_PRE = re.compile(r"<pre[^>]*>(.*?)</pre>", re.DOTALL)
_ROW = re.compile(r'^<span style="opacity:.72">([\w-]+) *</span> (.*)$', re.MULTILINE)
_TAG = re.compile(r"<[^>]+>")
CELL_S = 110.0


@dataclass
class Ran:
    """What a cell did: ``text`` of both streams, the bundles it displayed, the error that ended it.

    A bundle that is written again in place is there once, as it was last; ``updates`` counts how often, ``size`` the
    bytes of all that came.
    """

    status: str = ""
    text: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    traceback: list[str] = field(default_factory=list)
    updates: int = 0
    size: int = 0
    places: dict[str, int] = field(default_factory=dict)

    @property
    def plain(self) -> str:
        """The text of what was displayed last."""
        return str(self.shown[-1]["text/plain"])

    @property
    def lines(self) -> list[str]:
        """The lines of replicas on the card that was displayed last, whole: ``[worker-0] line``."""
        rows = _ROW.findall("\n".join(_PRE.findall(self.shown[-1]["text/html"]))) if self.shown else []
        return [f"[{name}] {unescape(_TAG.sub('', text))}" for name, text in rows]

    def has(self, text: str) -> bool:
        """Return whether it wrote or displays a text; a line of a replica is ``[worker-0] line``."""
        return (
            text in self.text or any(text in one["text/plain"] for one in self.shown) or text in "\n".join(self.lines)
        )


class RealKernel:
    """A kernel in ``folder``, with ``env`` and nothing of Jupyter's or Submarine's own in its environment."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY", "SUBMARINE"))}
        own |= {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "RUNTIME", "DATA")}
        own |= {"IPYTHONDIR": str(folder / "ipython"), **env}
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env=own, cwd=str(folder), extra_arguments=["--log-level=ERROR"])
        self.client: BlockingKernelClient = self._manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=CELL_S)
        self.about: dict[str, str] = {}  # what Tab showed beside each word, the last time

    def run(self, code: str, cell: str | None = None) -> Ran:
        """Execute a cell and wait for its end; ``cell`` is its id, which a front end sends along."""
        return self.finish(self.start(code, cell))

    def start(self, code: str, cell: str | None = None) -> str:
        """Execute a cell; return its message id."""
        if cell is None:
            return str(self.client.execute(code))
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def finish(self, message_id: str) -> Ran:
        """Wait for the end of a cell."""
        ran = Ran()
        while not self._take(message_id, ran):
            pass
        while (reply := self.client.get_shell_msg(timeout=CELL_S))["parent_header"].get("msg_id") != message_id:
            pass
        ran.status = reply["content"]["status"]
        return ran

    def until(self, message_id: str, text: str) -> Ran:
        """Wait until a cell has written ``text``; what it writes later is left to ``finish``."""
        ran, end = Ran(), time.monotonic() + CELL_S
        while not ran.has(text):
            assert not self._take(message_id, ran), f"the cell has ended: {ran}"
            assert time.monotonic() < end, ran
        return ran

    def interrupt(self) -> None:
        """Do what the stop button does."""
        self._manager.interrupt_kernel()

    def complete(self, code: str) -> list[str]:
        """Return what Tab offers at the end of ``code``, as the text it would become."""
        self.client.complete(code)
        while (reply := self.client.get_shell_msg(timeout=CELL_S))["msg_type"] != "complete_reply":
            pass
        content = reply["content"]
        self.about = {one["text"]: one["type"] for one in content["metadata"]["_jupyter_types_experimental"]}
        return [code[: content["cursor_start"]] + match for match in content["matches"]]

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()

    def _take(self, message_id: str, ran: Ran) -> bool:
        """Take one message; return whether the cell has ended."""
        message: dict[str, Any] = self.client.get_iopub_msg(timeout=CELL_S)
        if message["parent_header"].get("msg_id") != message_id:
            return False
        kind, content = message["msg_type"], message["content"]
        ran.size += len(json.dumps(content, ensure_ascii=False).encode())
        if kind == "stream":
            ran.text += content["text"]
        elif kind in ("display_data", "execute_result"):
            ran.places[content.get("transient", {}).get("display_id", "")] = len(ran.shown)
            ran.shown.append(content["data"])
        elif kind == "update_display_data":
            ran.updates += 1
            # A cell that was left to go on has shown it before.
            place = ran.places.setdefault(content["transient"]["display_id"], len(ran.shown))
            ran.shown[place:] = [content["data"], *ran.shown[place + 1 :]]
        elif kind == "error":
            ran.error, ran.traceback = f"{content['ename']}: {content['evalue']}", content["traceback"]
        return bool(kind == "status" and content["execution_state"] == "idle")


MakeKernel = Callable[..., RealKernel]
