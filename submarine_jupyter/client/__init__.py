"""HTTP to one Submarine server: the client, the experiment as an object, streams that survive a broken connection.

answers     What the server tells about an experiment, in forms that Python and a notebook can use
client      Talk to a Submarine server from Python
comparison  Experiments side by side, as the server answers them
experiment  One experiment, as an object to hold on to
following   Follow the logs or the events of an experiment over a connection that may break
proxies     Which proxy leads to a server, by the variables that curl and Python's urllib read, in any case
scaling     Which change of a spec gives roles another number of replicas
sse         Read server-sent events from text that arrives in pieces
transport   HTTP to one Submarine server: the token, retries, and errors of the one tree
"""
