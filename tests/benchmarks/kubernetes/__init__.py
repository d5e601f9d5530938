"""Benchmarks of the ``kubernetes`` target on a real control plane with fake nodes, in one table.

``python -m tests.benchmarks kubernetes`` runs them all, ``kubernetes.post kubernetes.sync`` some. They bring up a
cluster of their own, or take the one of ``SUBMARINE_TEST_KUBECONFIG`` (one of ours: they need its fake nodes).
"""

QUIET = ("sync", "post", "list", "change", "fleet")
"""Those that run while the idle server is watched: they write no logs."""

ALL = (*QUIET, "idle", "logs", "followers")
