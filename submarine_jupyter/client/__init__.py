"""HTTP to one Submarine server: the client, the experiment as an object, streams that survive a broken connection.

answers        What the server answers about an experiment, in forms that Python and a notebook can use
calls          One HTTP call: what it is made of, how it is sent, and how its stream is read
changes        A spec with changes: what a clone differs in
client         Talk to a Submarine server from Python
comparison     Experiments side by side, as the server answers them
configuration  Which server is used and which defaults hold, as a person reads them
documents      Names of the documents in Python: ``acceptedTime`` for ``accepted_time``
experiment     One experiment, as an object to hold on to
following      Follow the logs or the events of an experiment over a connection that may break
frames         pandas, where it is there
place          Where the replicas of a server run
reasons        Why an experiment is as it is
scaling        Which change of a spec gives roles another number of replicas
sweep          One experiment for each combination of parameters, as a group of the server
targets        Compute targets, as a person reads them
"""
