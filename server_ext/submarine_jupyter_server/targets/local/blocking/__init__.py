"""Call what touches files or processes, and never wait for it for ever.

blocking_calls    Make such a call from the event loop, with a time limit
blocking_threads  The threads that make it: one that hangs holds up neither the others nor the end of the server
"""
