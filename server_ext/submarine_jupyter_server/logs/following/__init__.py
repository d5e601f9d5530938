"""Logs while they grow: one poll for all followers, no line lost between two of them.

attempt_reader  one follower's place in the logs of one attempt
follow          the logs of an experiment as events
follow_bytes    the bytes of one log as they come, no faster than they are wanted
growth          one poll for all who follow the same attempt
"""
