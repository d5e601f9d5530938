"""Find something in logs.

errors   the first error of a run
excerpt  a place in a log with the lines around it
needle   what is searched for: a text, or a regular expression
scan     search whole logs, in steps
"""
