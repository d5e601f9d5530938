"""Pages of experiments: how a list is filtered, sorted and continued.

by_value    Lists by parameters and metrics: which experiments fit a condition, and their order by one of them
compared    Experiments side by side: which of their parameters differ, and values of metrics
conditions  What a list asks of a parameter or a metric: which one, and how it compares
cursor      Where a page of a list begins: the sort order and the last row before it, as one opaque word
inspected   Conditions that no index answers, so that each row is inspected: free text, time, what people noted
listing     Pages of experiments that stay fast however many there are
query       Which experiments a list shows: what is asked for, before any of it is checked
summaries   Experiments as a list shows them
"""
