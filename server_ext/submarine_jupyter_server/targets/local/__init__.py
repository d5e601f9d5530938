"""The compute target that needs nothing: replicas are supervised processes on this machine.

attempts/     one attempt: plan, start, status
blocking/     call what blocks, and never wait for it for ever
machine/      what it has, who holds it, who may start
rundir/       the files of an experiment
shim/         the program that supervises an attempt, standard library only
supervision/  keep the experiments of this machine going
endings       End experiments of this machine: stop them, delete them, remove their files
existing      What there is on this machine, for who compares it with what should be
run           One experiment on this machine: its attempts, and what is done for it with files and processes
target        The compute target ``local``: the ComputeTarget protocol on this machine
"""
