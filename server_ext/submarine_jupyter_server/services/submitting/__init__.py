"""Accept what somebody submits: a new experiment, the same cell again, or only the question whether it would start.

attach       The same cell again: whether what it sends runs already
forecasts    Whether an experiment starts if nothing else changes, and how one waits
submissions  Accept new experiments: from a body to a row on disk, and to the target's first word
"""
