"""Whether an experiment would start on a cluster, as far as this server may know it.

nodes    Whether the nodes have room for the pods of an experiment
outlook  Whether an experiment would start now, from all that is known, and what would start in its place
places   Where an experiment waits in its queue
pods     The pods that an experiment becomes, and what each asks for
queues   Whether a queue of Kueue would let an experiment in
quotas   Whether the quotas of a namespace have room for the pods of an experiment
reading  Read what is to be known of a cluster before an experiment is submitted, and judge it
"""
