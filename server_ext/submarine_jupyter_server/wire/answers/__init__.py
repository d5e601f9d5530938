"""What services return, as values, and the document's JSON of them.

curves       metrics, as values and as JSON
detail       what ``?view=full`` adds to an experiment: why it is as it is
experiments  stored experiments, and lists of them
forecasts    whether an experiment starts, and how one waits
groups       groups, and what a request about many experiments did
logs         what there is in logs, and what was found there
progress     how far an experiment is
states       the word that people see for how an experiment is, and its reason
"""
