"""One HTTP call: what it is made of, which proxy it goes through, how it is retried, and how its stream is read.

proxies        Which proxy leads to a server, by the variables that curl and Python's urllib read, in any case
request_parts  What requests are made of: the path of an experiment, its id, its spec
sse            Read server-sent events from text that arrives in pieces
transport      HTTP to one Submarine server: the token, retries, and errors of the one tree
"""
