"""The supervising process of one attempt of an experiment: standard library only, imports nothing of ours.

It is no child of the server in any way that matters: the server may be killed and started again, the shim goes on,
holds the exit codes, writes the logs and ends the whole tree of processes. The two speak through files in the attempt's
directory (``plan.json`` in, ``state.json`` and ``exit.json`` out); a FIFO each way only says "look again".
It is a package and not one file because Python compiles a script anew at each start, which would cost as much time as
all the rest of the start; as modules the parts come from their ``.pyc`` files.

    exchange/   what the server and the shim write for each other
    processes/  which processes there are
    replica/    one replica: started, its output written down, its ports held
    ending      End processes for sure: each replica's group, and all that escaped from it
    failpoint   Places where a test lets the shim die: ``SUBMARINE_FAILPOINT=shim_started:kill`` in its environment
    outcome     When a replica, and when an experiment, has succeeded or failed
    reporter    What everybody else may know of an attempt: ``state.json`` while it goes on, ``exit.json`` at its end
    start       Become the one shim of an attempt, or leave
    supervisor  The loop of the shim: make the plan real, watch, and have written down what happens
    system      What this system lacks of all that the shim relies on: said on each experiment, never silently absent
    words       Say in words for a person how a replica ended and how much memory it took
"""
