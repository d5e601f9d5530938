"""The supervising process of one attempt of an experiment: standard library only, imports nothing of ours.

It is no child of the server in any way that matters: the server may be killed and started again, the shim goes on,
holds the exit codes, writes the logs and ends the whole tree of processes. The two speak through files in the attempt's
directory (``plan.json`` in, ``state.json`` and ``exit.json`` out); a FIFO each way only says "look again".
It is a package and not one file because Python compiles a script anew at each start, which would cost as much time as
all the rest of the start; as modules the parts come from their ``.pyc`` files.
"""
