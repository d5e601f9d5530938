"""What replicas wrote: kept as bytes, followed while it grows, shown as lines.

Store first, stream from the store: one writer per replica, any number of readers of its files.

    archive         read them: bytes at logical offsets, holes
    attempt_reader  one follower's place in the logs of one attempt
    blocks          the next whole lines from a position
    follow          the logs of an experiment as events
    growth          one poll for all who follow the same attempt
    layout          the files on disk
    pages           the newest lines of a log, for an answer
    position        where a follower is, as text
    raw             the bytes themselves, by range or as a download
    screen          rows that are written over: nested progress bars
    segment_writer  write them
    times           when bytes were written
    view            bytes -> lines a person may see
"""
