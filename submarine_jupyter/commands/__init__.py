"""The language of ``%submarine``: from a line of text to what a client is asked.

It knows neither IPython nor a terminal: what means nothing is a ``UsageError``, which the reader of the line shows.

expansion     ``{name}`` in an option becomes the value of that variable of the notebook: ``--env LR={lr}``
grammar       The language of ``%submarine``: one grammar for the line and the cell magic
ids           Which experiment is meant: the last one, a part of an id, a whole one
spec          From the options of ``run`` to the spec of an experiment. Pure
spec_file     Read the spec in a file as the server reads a body
surroundings  Where an experiment is described: what of this kernel a command expects to find around it
"""
