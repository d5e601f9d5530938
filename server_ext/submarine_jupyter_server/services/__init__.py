"""What handlers call: one object per topic of the REST API.

changing     What of an experiment can be changed while it lives, and what that means for what runs
experiments  What can be done with experiments: the one object the handlers talk to
insight      What the server answers beyond the document: metrics of an experiment, and what the targets have
log_reader   Read logs for the REST API: lists, pages, followed streams and raw bytes, all from the archive
log_stream   Join the lines of an experiment's logs with its states: one stream, in order, that always ends
"""
