"""What this machine has, who holds it, and who may start: cpu, memory, ports, addresses.

fitting      Whether all replicas of an experiment fit into this machine, and what would
limits       What this machine, or the container the server runs in, has to give
network      Where the replicas of one experiment find each other on this machine
port_leases  Lend ports to replicas without the race between choosing a port and using it
scheduler    Who may start: all replicas of an experiment at once or none, first come first served
turns        Whether an experiment would start now, where it waits, and what would start in its place
"""
