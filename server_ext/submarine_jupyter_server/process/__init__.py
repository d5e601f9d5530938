"""The server as a process: its time, its threads, its notices, the places where a test makes it die.

clock           The time of day as all stored times are: whole milliseconds since the Unix epoch
daemon_threads  Threads that never keep the process from ending
failpoints      Named places where a test can make the server die or fail
notices         What people should know about the server itself
"""
