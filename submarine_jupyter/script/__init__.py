"""What a cell sends to its replicas, and what of it comes back when that fails. Pure, or reads files only.

syntax       Refuse a cell that no Python runs, before it is submitted
variables    Say which names of the notebook the script has not
tracebacks   Name the line of the cell in place of that of a file on another machine
failures     Say in two lines why a cell failed, and what to write
"""
