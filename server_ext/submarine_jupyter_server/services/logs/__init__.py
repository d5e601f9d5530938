"""Read the logs of experiments: lines, bytes, streams, matches, the first error.

first_error  The first error of an experiment, found in its logs when somebody asks
log_attempt  An attempt whose logs are read: who may, which there must be, and that they are as new as can be
log_bytes    The bytes of one replica's log, followed as they come
log_reader   Read logs for the REST API: lists, pages, followed streams and raw bytes, all from the archive
log_search   Search the logs of an experiment: in threads of its own, a slice at a time
log_stream   Join the lines of an experiment's logs with its states: one stream, in order, that always ends
log_times    Where logs are at a moment, and the lines of all replicas in the order of time
"""
