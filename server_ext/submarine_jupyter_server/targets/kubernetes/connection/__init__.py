"""The connection to one cluster: made in the background, and all that works on it.

cluster_connection  Everything that works on one cluster, put together
connector           The connection of a target to its cluster: made in the background, as often as it takes
"""
