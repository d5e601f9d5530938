"""``submarine-jupyter``: the commands of ``%submarine`` in a terminal and in scripts.

as_json   What a command returns, as JSON
main      Carry out one command; its exit code is that of the experiment
terminal  Where a command says what it does: standard output, and standard error beside JSON
"""
