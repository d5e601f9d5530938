"""What the URL and the headers ask for, as values: read strictly, nothing misspelt is passed over.

conditions  conditions of lists on parameters and metrics
lists       filters, order and page of a list
logs        lines, bytes, matches and places in time
metrics     points of curves
parameters  parameters of URLs, of any kind
"""
