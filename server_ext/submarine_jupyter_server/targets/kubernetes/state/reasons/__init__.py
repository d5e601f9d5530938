"""The causes behind a status, each in one module and in plain words: pure functions from views to a ``Trouble``.

container_start  Why a container that has its image cannot be started, from what the kubelet and the runtime say
creation         Why the cluster does not let the pods of an experiment be made, from the events of their Jobs
eviction         How Kueue took the place of what was let in already, by the reason of the condition ``Evicted``
exits            How a replica ended that failed, in the words of the local target where both can fail so
images           Why an image cannot be pulled, from what the container runtime says
leftovers        What is still there of an experiment that is being ended, and what its end waits for
mounts           Why a volume of a replica cannot be mounted, from the events of its node
outside          What others have changed about the object of an experiment
queueing         Why nothing was made yet: suspended, waiting in a queue of Kueue
quota            Why a queue of Kueue gives no quota, by reason and message of the condition ``QuotaReserved``
scheduling       Why no node takes a replica, from what the scheduler says
shortening       Shorten what Kubernetes says, so that a person reads where it is wrong and what
trouble          A cause why something does not run, and its sentence
waiting          Why the pod of a replica does not run yet, or may not run any more
"""
