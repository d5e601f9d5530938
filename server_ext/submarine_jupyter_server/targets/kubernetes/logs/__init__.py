"""Pods' logs into the archive: every byte once, or a declared gap, whatever breaks.

alignment    where an answer goes on from what the archive has
disk         one thread for the file work of all
drains       who waits until a replica's log is complete
follower     one replica
lines        the kubelet's stamped lines -> (time, bytes)
marks        from which line on to ask again
next_step    what is to be read next of a replica
pod_logs     all of them
reading      one answer, into the tail
run_trouble  what keeps going wrong with one run
runs         what is known of a replica's pods
sources      which bytes came from which run of which container
tail         the end of one replica's log on disk
turns        how many streams may be open, and who waits
"""
