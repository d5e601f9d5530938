"""What is kept of an experiment beside its own row: lists show it, find by it and sort by it.

groups          Groups of experiments that belong together, such as a sweep, and the places in them
housekeeping    What people note about experiments: a text, whether it is pinned, whether it is archived
origins         Where experiments come from: notebook, cell, and the body that was sent from there
progress        How far attempts are, as they said last
row_changes     Which rows of experiments have changed since a moment, by the numbers that changes have
runtime_blocks  Blocks of ``runtime`` in the text of a spec, for what is kept beside the row
searchable      What experiments are found and sorted by beside their columns: parameters, last values of metrics
shown           The parameters and the last values of metrics that a row shows, each kind as one JSON text
tags            The tags of experiments that are not deleted
"""
