"""Bytes as lines: what a terminal would show, a page of it, all replicas in one.

blocks  the next whole lines from a position
merged  the lines of several replicas in the order of time
pages   the newest lines of a log, for an answer
plain   lines without colours, to be searched
screen  rows that are written over: nested progress bars
view    bytes -> lines a person may see
"""
