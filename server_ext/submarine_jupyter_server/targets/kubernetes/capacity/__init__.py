"""What a cluster has, what is free of it, and what a pod takes.

pod_requests      What a pod takes of its node, as the scheduler counts it
cluster_capacity  What a cluster has and what is free, as far as the rights of this server let it see
"""
