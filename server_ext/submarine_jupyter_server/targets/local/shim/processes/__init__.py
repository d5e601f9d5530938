"""The processes below a shim: which they are, and what they hold. The server reads them the same way.

census    Know who lives below the shim, also for whoever has to clean up after it was killed
identity  Tell one process from another that came to have its number
memory    How much memory processes hold that the kernel cannot take back (Linux, ``proc(5)``)
tree      List the processes below one (Linux, ``proc(5)``)
"""
