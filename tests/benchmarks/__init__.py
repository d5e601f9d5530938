"""Benchmarks: each figure beside a peer measured in the same run. They never fail a build.

Run them all with ``make bench``, some with ``python -m tests.benchmarks submit imports kubernetes.post``; ``local`` and
``kubernetes`` stand for all of their kind.
"""
