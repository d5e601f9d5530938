"""What handlers call: one object per topic of the REST API, a principal first, values in and values out.

access       What a principal may see and do: the one place where that is decided
changing     What of an experiment can be changed while it lives, and what that means for what runs
events       The state changes of experiments, as they come
experiments  What can be done with experiments, by whom they belong to
log_reader   Read logs for the REST API: lists, pages, followed streams and raw bytes, all from the archive
log_search   Search the logs of an experiment: in threads of its own, a slice at a time
log_stream   Join the lines of an experiment's logs with its states: one stream, in order, that always ends
metrics      Metrics of an experiment: whole once it has ended, or said not to be
principal    Who asks: the first argument of every service call
targets      What the compute targets are, and what they have
"""
