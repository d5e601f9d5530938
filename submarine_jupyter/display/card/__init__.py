"""The card: how experiments are shown in a cell. Pure functions from the server's answers to a MIME bundle.

drawing/    What cards are drawn with
bundle      The MIME bundle of a card
comparison  Experiments side by side
errors      Why an experiment has failed, with the lines of the cell
experiment  The card of one experiment, in each of its states
facts       State, time, replicas and target of an experiment
group       A group of experiments, such as a sweep
help_page   The help, and what a remote function has given
listing     A list of experiments
measures    What an experiment has measured: tiles, and a chart
rows        Rows of experiments in the cells of a table
show        One function for each thing that is shown: what to call
target      A compute target
"""
