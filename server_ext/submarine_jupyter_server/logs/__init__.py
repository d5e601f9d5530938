"""What replicas wrote: kept as bytes, followed while it grows, shown as lines, read for metrics.

Store first, stream from the store: one writer per replica, any number of readers of its files.

    layout      the files on disk
    archive     read them: bytes at logical offsets, holes; times: when they were written
    writer      write them (the local target's shim writes the same layout by itself)
    view        bytes -> lines a person may see; screen: rows that are written over
    pages       the newest lines of a log, for an answer
    raw         the bytes themselves, by range or as a download
    growth      one poll per followed experiment
    position    where a follower is, as text
    blocks      the next whole lines from a position
    follow      events for one follower, whose place in the logs is in follower
    templates   a user's own metric lines
    metrics     metrics from lines: names, pairs and columns know how they look; thinning leaves points out
    collector   metrics from growing logs into the store, by way of metric_reader
"""
