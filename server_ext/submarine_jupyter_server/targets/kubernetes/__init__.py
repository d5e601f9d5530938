"""The compute target ``kubernetes``: experiments as objects of a cluster.

api/         requests, credentials, rights, what an answer means
capacity/    what a cluster has, what is free, what a pod takes
connection/  from the settings of a target to all that works on its cluster
forecast/    whether an experiment would start, as far as that is known
logs/        pods' logs into the archive
manifests/   from an experiment to objects, pure
orders/      carry out what is ordered
reporting/   what became of experiments, for the service
state/       what the JSON of objects means: whose, status, reasons
watch/       streams into a cache
environ      The cluster that the environment of the server names, as an administrator would configure it
raw_json     Read fields of raw JSON from the API server: what is missing, or of another type, is not said
settings     What an administrator configures of a cluster: ``SubmarineExtension.targets``, checked
target       The compute target ``kubernetes``: the ComputeTarget protocol on a cluster
"""
