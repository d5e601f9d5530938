"""One replica: started, its output written down, its ports held.

execute    Become the program of a replica, or say on its output in words for a person why that cannot be
life       The life of one replica: its process, its output, and all that it left behind
log_files  Write the output of one replica to its log archive
ports      Hold the ports a replica was promised, from before its start until its end
spawn      Start one replica by fork and exec: as the leader of its own session, and never outliving the shim
"""
