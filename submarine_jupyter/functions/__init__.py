"""Functions of a notebook that run as experiments: ``@remote(worker=2, gpu=1)``.

    remote       The decorator, and what it makes of a function
    handle       One call: wait for its value, come back to it by the id
    call         What travels with a call, and the spec that it becomes
    pickling     A function as bytes
    replica      The program that every replica runs; it imports nothing of ours
    answer       The signed value in the log of the replica that leads
    keys         The key by which this user knows his own values again
    tracebacks   The traceback of another process, with the lines of the notebook's cells

A value comes back in the log, as measurements do: that is the one way from any replica to the server. It needs neither
an address nor a token in the replica, is kept with the experiment, and is there after a restart of either side. The
server never unpickles; the kernel unpickles only what is signed with a key that it has made itself.
"""
