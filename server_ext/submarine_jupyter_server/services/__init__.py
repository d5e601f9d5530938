"""What handlers call: one object per topic of the REST API, a principal first, values in and values out.

access        What a principal may see and do: the one place where that is decided
attach        The same cell again: whether what it sends runs already
changing      Change an experiment: what of it can be while it lives, what that means, and how it is stored
events        The state changes of experiments, as they come
experiments   What can be done with experiments that are there: list, show, change, stop, delete
first_error   The first error of an experiment, found in its logs when somebody asks
log_attempt   An attempt whose logs are read: who may, which there must be, and that they are as new as can be
log_bytes     The bytes of one replica's log, followed as they come
log_reader    Read logs for the REST API: lists, pages, followed streams and raw bytes, all from the archive
log_search    Search the logs of an experiment: in threads of its own, a slice at a time
log_stream    Join the lines of an experiment's logs with its states: one stream, in order, that always ends
log_times     Where logs are at a moment, and the lines of all replicas in the order of time
metrics       Metrics of an experiment: whole once it has ended, or said not to be
principal     Who asks: the first argument of every service call
rows          Experiments as compact rows: a page of them, or all as they change
submissions   Accept new experiments: from a body to a row on disk, and to the target's first word
subscriptions What one tab follows: channels by number, each a task of its own, all sent over one socket
targets       What the compute targets are, and what they have
unknown       What a list asks for that nothing has
"""
