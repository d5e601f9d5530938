"""What handlers call: one object per topic of the REST API, a principal first, values in and values out.

logs/        Read the logs of experiments: lines, bytes, streams, matches, the first error
streams/     what is sent as it comes: states, points, the channels of a tab
submitting/  accept what somebody submits, or forecast what it would do
access       What a principal may see and do: the one place where that is decided
changing     Change an experiment: what of it can be while it lives, what that means, and how it is stored
comparisons  Experiments side by side: many in columns, two as a difference
ending       How the end of an experiment is asked for, in one transaction
experiments  What can be done with experiments that are there: list, show, change, stop, delete
groups       What concerns many experiments at once: groups counted, and the end of all that fit a filter
metrics      Metrics of an experiment: whole once it has ended, or said not to be
principal    Who asks: the first argument of every service call
rows         Experiments as compact rows: a page of them, or all as they change
targets      What the compute targets are, and what they have
unknown      Names in a list's filters that no experiment has
"""
