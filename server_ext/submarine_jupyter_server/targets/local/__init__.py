"""The compute target that needs nothing: replicas are supervised processes on this machine."""
