"""A cell that waits: one output that is written again in place, from what arrives and what is polled.

budget   Which lines of an experiment a cell keeps: the first and the last, within a budget
board    What is known of an experiment while a cell waits for it
sources  The two threads that bring it: one follows the log, one polls state and metrics
output   One output of a cell, written again only so often, and only when it differs
waiting  Wait for the end of an experiment, and show how it goes
"""
