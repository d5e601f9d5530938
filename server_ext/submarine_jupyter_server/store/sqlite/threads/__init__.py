"""One thread writes, others read: none of them is the event loop's.

job_threads  Threads that work through a queue of jobs, and give the results back to the event loop
readers      The threads that read
writer       The one thread that writes
"""
