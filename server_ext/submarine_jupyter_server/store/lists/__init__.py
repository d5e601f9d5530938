"""Pages of experiments: how a list is filtered, sorted and continued.

cursor   Where a page of a list begins: the sort order and the last row before it, as one opaque word
listing  Pages of experiments that stay fast however many there are
query    Which experiments a list shows: what is asked for, before any of it is checked
"""
