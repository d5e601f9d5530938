"""Metrics: found in log lines, read once into the store, thinned for a curve.

progress/     how far a replica says it is
collector     the same for all running experiments
columns       tables of numbers below a head
names         which words name a metric
pairs         lines of names and numbers
reader        the metrics of one attempt into the store, each once
scanner       metrics and settings in log lines
templates     a user's own metric lines
thinning      fewer points, the same curve
worthy_lines  which lines of a block may hold a metric or a progress bar
"""
