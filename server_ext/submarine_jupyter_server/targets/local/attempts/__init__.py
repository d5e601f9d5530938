"""One attempt of an experiment: its plan, the start of its shim, and its status by its files.

attempt_status  What the files of an attempt say, and what that means
inheritance     What replicas inherit of the server's environment, and what they must not
launcher        Start shims, detached from the server so that they survive it
orphans         End what a dead shim left running, and nothing else
planning        From an experiment to the plan of its shim: which processes, with which environment, where
"""
