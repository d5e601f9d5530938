"""HTTP to one Submarine server: the client, the experiment as an object, streams that survive a broken connection.

answers        What the server answers about an experiment, in forms that Python and a notebook can use
changes        A spec with changes: what a clone differs in
client         Talk to a Submarine server from Python
comparison     Experiments side by side, as the server answers them
configuration  Which server is used and which defaults hold, as a person reads them
documents      Names of the documents in Python: ``acceptedTime`` for ``accepted_time``
experiment     One experiment, as an object to hold on to
following      Follow the logs or the events of an experiment over a connection that may break
frames         pandas, where it is there
place          Where the replicas of a server run
proxies        Which proxy leads to a server, by the variables that curl and Python's urllib read, in any case
request_parts  What requests are made of: the path of an experiment, its id, its spec
reasons        Why an experiment is as it is
scaling        Which change of a spec gives roles another number of replicas
sse            Read server-sent events from text that arrives in pieces
sweep          One experiment for each combination of parameters, as a group of the server
targets        Compute targets, as a person reads them
transport      HTTP to one Submarine server: the token, retries, and errors of the one tree
"""
