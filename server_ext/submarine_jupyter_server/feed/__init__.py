"""What changes, for those who follow: each commit is read once, whoever and however many they are.

``after_commits`` is when to read; ``event_feed`` has events in order, ``row_feed`` the rows of experiments as they
change (``row_texts`` remembers them), ``point_feed`` which experiments have new points of metrics.
"""
