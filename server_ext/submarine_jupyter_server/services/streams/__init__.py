"""What goes on: each new state, row and point, sent as it comes.

events         The state changes of experiments, as they come
points         The points of experiments as they are read: what there is, then what comes
subscriptions  What one tab follows: channels by number, each a task of its own, all sent over one socket
"""
