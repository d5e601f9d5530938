"""The compute target that needs nothing: replicas are supervised processes on this machine.

attempts/         one attempt: plan, start, status
machine/          what it has, who holds it, who may start
rundir/           the files of an experiment
shim/             the program that supervises an attempt, standard library only
admission         Who may start: experiments ask for room, and begin or grow once they get it
adoption          Take on what is on the disk already
blocking_calls    Call what blocks, because it touches files or processes, without waiting for ever
blocking_threads  Threads for what blocks: a call that hangs holds up neither the other calls nor the end of the
endings           End experiments of this machine: stop them, delete them, remove their files
existing          What there is on this machine, for who compares it with what should be
news              Hear from the shims, through a FIFO, which attempt has news
report            Describe how an experiment is, for the person who owns it, from what was seen of its attempts
run               One experiment on this machine: its attempts, and what is done for it with files and processes
settling          Bring one attempt on: start its shim, see to it that an ordered end comes
supervision       Keep the experiments of this machine going
target            The compute target ``local``: the ComputeTarget protocol on this machine
tasks             What is done unasked: tasks of which none is forgotten, and whose failures end nothing else
"""
