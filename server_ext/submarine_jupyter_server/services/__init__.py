"""What handlers call: one object per topic of the REST API, a principal first, values in and values out.

logs/          Read the logs of experiments: lines, bytes, streams, matches, the first error
access         What a principal may see and do: the one place where that is decided
attach         The same cell again: whether what it sends runs already
changing       Change an experiment: what of it can be while it lives, what that means, and how it is stored
comparisons    Experiments side by side: many in columns, two as a difference
events         The state changes of experiments, as they come
ending         How the end of an experiment is asked for, in one transaction
experiments    What can be done with experiments that are there: list, show, change, stop, delete
forecasts      Whether an experiment starts if nothing else changes, and how one waits
groups         What concerns many experiments at once: groups counted, and the end of all that fit a filter
metrics        Metrics of an experiment: whole once it has ended, or said not to be
points         The points of experiments as they are read: what there is, then what comes
principal      Who asks: the first argument of every service call
rows           Experiments as compact rows: a page of them, or all as they change
submissions    Accept new experiments: from a body to a row on disk, and to the target's first word
subscriptions  What one tab follows: channels by number, each a task of its own, all sent over one socket
targets        What the compute targets are, and what they have
unknown        What a list asks for that nothing has
"""
