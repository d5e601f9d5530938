"""What ``run`` sends: from the options of a line, a cell, a program or a file to the spec of an experiment.

files_along   What goes along with the code: files that are named, modules beside the notebook
given         What the first word of ``run`` names: a program with its words, or a spec in a file
own_code      What of the writer's code travels, and the command that runs it
spec          From the options of ``run`` to the spec of an experiment. Pure
spec_file     Read the spec in a file as the server reads a body
surroundings  What of this kernel an experiment expects to find around it
"""
