"""What a person sees: tables, one experiment in full, its lines as they come.

card/        How experiments are shown in a cell: HTML, text and our own type, from the server's answers
waiting/     A cell that waits: one output that is written again in place
cell_stream  Show in a cell how an experiment goes, as it goes
description  Everything about an experiment, for a person
plots        Curves in one picture: by matplotlib where it is there, else as an SVG of our own
tables       Draw small tables as text and as HTML; every cell is plain text and stays so
"""
