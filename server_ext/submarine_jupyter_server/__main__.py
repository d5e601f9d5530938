"""Start a Jupyter Server with this extension: the same as ``jupyter submarine``."""

from submarine_jupyter_server.app import main

main()  # type: ignore[no-untyped-call]
