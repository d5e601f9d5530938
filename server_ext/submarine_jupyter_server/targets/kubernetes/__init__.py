"""The compute target ``kubernetes``: experiments as objects of a cluster."""
