"""What was asked for and is not done yet: orders to targets, changes that wait for an answer, keys of requests.

changes      Changes of a spec: stored before the target takes them, and taken back if it refuses
idempotency  The keys by which a client says that two requests are the same one
outbox       The orders to the targets that are still to be carried out: at most one per experiment
"""
