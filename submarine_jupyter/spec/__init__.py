"""What a spec is written in: plain values, so that nothing light needs pydantic for them.

code_files      Files that travel in a spec, as texts
durations       Lengths of time as people write them: ``90s``, ``10m``, ``2h``, ``1d``
experiment_ids  The id of an experiment, and what is one
params          ``runtime.params``: names, values, and how a replica is given them
parsing         Text of a body -> plain values, strictly: what two readers could understand differently is refused
resources       Read ``cpu=1,memory=1024M,nvidia.com/gpu=1`` and Kubernetes quantities
vocabulary      The words of an experiment: statuses, frameworks, roles
"""
