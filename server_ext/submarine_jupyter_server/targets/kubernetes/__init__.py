"""The compute target ``kubernetes``: experiments as objects of a cluster.

api/                requests, credentials, rights, what an answer means
forecast/           whether an experiment would start, as far as that is known
logs/               pods' logs into the archive
manifests/          from an experiment to objects, pure
orders/             carry out what is ordered
state/              what the JSON of objects means: whose, status, reasons
watch/              streams into a cache
absence             Why an object of an experiment is not on the cluster
capacity            What a cluster has and what is free, as far as the rights of this server let it see
cluster_connection  Everything that works on one cluster, put together
connector           The connection of a target to its cluster: made in the background, as often as it takes
disappearance       Make sure that an experiment is gone before it is called gone, and find out why
environ             The cluster that the environment of the server names, as an administrator would configure it
pod_requests        What a pod takes of its node, as the scheduler counts it
raw_json            Read fields of raw JSON from the API server: what is missing, or of another type, is not said
reporting           Report to the service what became of experiments
settings            What an administrator configures of a cluster: ``SubmarineExtension.targets``, checked
target              The compute target ``kubernetes``: the ComputeTarget protocol on a cluster
"""
