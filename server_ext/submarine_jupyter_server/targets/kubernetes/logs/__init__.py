"""Pods' logs into the archive: every byte once, or a declared gap, whatever breaks.

lines       the kubelet's stamped lines -> (time, bytes)
alignment   where an answer goes on from what the archive has
sources     which bytes of a replica's log came from which run of which container
tail        the end of one replica's log on disk: where it stands, what to ask for, what to write
disk        one thread for the file work of all
turns       how many streams may be open, and who waits
planning    what is to be read next of a replica
reading     one answer, into the tail
follower    one replica
collector   all of them
"""
