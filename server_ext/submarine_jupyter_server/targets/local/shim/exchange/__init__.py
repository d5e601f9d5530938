"""What the server and the shim write for each other, through files in the attempt's directory.

heartbeat  Show that the shim is at work: a lock says only that its process is there
plan       What the server wants: ``plan.json``
record     Write down what happens, so that any server can read it at any time, also when nobody was there to see
wakeup     What wakes the shim: signals, and the FIFO through which the server asks it to read the plan again
"""
