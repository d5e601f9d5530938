"""Compute targets: the places that run the replicas of an experiment.

kubernetes/          objects of a cluster
local/               processes on this machine
commands             How a command line becomes the argument list of a process, as its writer means it
protocol             What a compute target is: the place that runs the replicas of an experiment
replica_environment  What every replica finds in its environment: the same on every target
replicas             The replicas of an experiment, in the order of logs and of ranks: the same on every target
tombstones           What a deletion leaves for good, also where all else is purged
"""
