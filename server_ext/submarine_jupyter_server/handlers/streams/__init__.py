"""What stays open: server-sent events, and the WebSocket of a tab.

connections  The connections of a kind that are open, each with whose it is: nobody may take all there are
events       ``experiment/events`` and ``experiment/{id}/events``: state changes as server-sent events
sockets      Own every open WebSocket of this server: they are counted, and closed when it stops
sse          Server-sent events: one writer for all streams
stream       ``experiment/stream``: one WebSocket for a whole tab, rows and logs on numbered channels
"""
