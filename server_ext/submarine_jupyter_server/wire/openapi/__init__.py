"""The OpenAPI document: a module for each topic of the API, as in ``handlers``.

about            ping, targets, this document
comparisons      experiments side by side
document         all of it: what the models are, who may call, where the paths are
experiments      list, create, show, change, note, stop, delete
failures         the answers of calls that fail
list_parameters  what chooses what a list shows
log_search       what finds something in logs
logs             lines, bytes, streams of logs
metrics          curves
operations       what every operation is made of: its answer, its errors, its parameters
streams          what stays open
"""
