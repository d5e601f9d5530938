"""The language of ``%submarine``: from a line of text to what a client is asked.

It knows neither IPython nor a terminal: what means nothing is a ``UsageError``, which the reader of the line shows.

families/     The commands, a small file for each family
sending/      What run sends: from a line, a cell, a program or a file to the spec of an experiment
chosen        Many experiments at once: of some ids, or all that fit filters, which are counted first
command       What a command is, as a table: words, arguments, examples, what carries it out
completion    What a line can go on with: commands, options, values, experiments with name and state
expansion     ``{name}`` in an option becomes the value of that variable of the notebook: ``--env LR={lr}``
filters       Which experiments: the filters that several commands have in common
grammar       The language as a whole: lines into arguments, and its help
ids           Which experiment is meant: the last one, a part of an id, a name, a whole one
origin        Where a command is given: which notebook, which cell
parser        Read the words behind a command
session       What the commands of one kernel or terminal share
settings      Defaults of options, and from where each comes
sweeps        ``--param`` of a sweep, and the combinations of its values
values        What stands behind an option: numbers, times, names with values
"""
