"""Files that several processes share.

atomic_files  Write a file whole or not at all
file_locks    Locks on files, which the kernel frees with the process
"""
