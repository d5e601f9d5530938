"""Streams of a cluster into a cache that is always as the API server last said.

cache              The copy of a collection of the cluster
cluster_heartbeat  Whether the API server answers at all, asked once for all the streams of a cluster
collection         What a reflector needs of a cluster, and all objects of a collection in pages
decoder            Events out of the bytes of a watch: one JSON object per line, in chunks that end anywhere
health             How a watch is, and what its errors mean: for the next try, and for a person
hidden_pods        Replicas that no stream reports, because somebody took or changed their labels
intake             Put what streams bring into the states of the experiments that it is of
queue_places       The places in queues of what waits there, asked of Kueue's own API while somebody waits
reflector          The copy of one collection of the cluster, kept by one stream for as long as the server runs
watches            The streams of a target, and the experiments they add up to
"""
