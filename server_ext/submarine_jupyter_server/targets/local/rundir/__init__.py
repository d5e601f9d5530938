"""The run directory of an experiment: its files, their contents, the folders of its replicas.

contents     What the JSON files of a run directory hold, checked before anybody believes it
files        Read and write files that a job, another version of ours or a failing disk may have changed
folders      The files of an experiment on this machine, which outlive both the server and its database
shared_sync  Have the names in a folder survive a power cut, once for all who ask for it at the same time
workspace    The folders in which the replicas of an attempt start, and what of a spec cannot be made of them
"""
