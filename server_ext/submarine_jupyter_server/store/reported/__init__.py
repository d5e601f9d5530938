"""What targets report of experiments: kept as it comes.

events      What happened, in order: numbers grow, also over a restored database, and are never used twice
metrics     The metrics read from logs, and how far each log has been read: both move together or not at all
objects     What targets have made for experiments: kept until these are purged, with a note of what is gone
remembered  What is known of the attempts that report metrics: else each batch of points would read it all again
replicas    What was last reported of each replica
"""
