"""The command of a container: an argument list, of which Kubernetes expands nothing."""

from __future__ import annotations

from submarine_jupyter_server.targets.commands import command
from submarine_jupyter_server.targets.kubernetes.manifests.draft import Draft

# Whether an image has bash is known only where it runs.
SHELL = ("/bin/sh", "-c", 'command -v bash >/dev/null && exec bash -c "$1"; exec sh -c "$1"', "sh")


def literal(text: str) -> str:
    """Return a text so that Kubernetes leaves it as it is.

    In commands and variables it replaces ``$(NAME)`` by a variable's value and ``$$`` by ``$``:
    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    return text.replace("$", "$$")


def argv(draft: Draft, role: str, offsets: dict[str, int], index: str) -> list[str]:
    """Return the command of a role as the container has it. Raises InvalidSpec for an open quotation mark.

    ``offsets`` are variables that are a replica's index plus a number. Kubernetes cannot add, so a shell does it and is
    then replaced by the command, which it never reads as text. ``index`` is the variable with the index.
    """
    words = command(draft.spec.command(role), SHELL)
    if offsets:
        sums = " ".join(f"{name}=$(({index} + {offset}))" for name, offset in offsets.items())
        words = ["/bin/sh", "-c", f'export {sums} && exec "$@"', "sh", *words]
    return [literal(word) for word in words]
