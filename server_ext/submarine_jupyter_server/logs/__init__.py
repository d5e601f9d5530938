"""What replicas wrote: kept as bytes, followed while it grows, shown as lines.

Store first, stream from the store: one writer per replica, any number of readers of its files.

    archive         read them: bytes at logical offsets, holes
    attempt_reader  one follower's place in the logs of one attempt
    blocks          the next whole lines from a position
    errors          the first error of a run
    excerpt         a place in a log with the lines around it
    follow          the logs of an experiment as events
    follow_bytes    the bytes of one log as they come, no faster than they are wanted
    growth          one poll for all who follow the same attempt
    layout          the files on disk
    merged          the lines of several replicas in the order of time
    needle          what is searched for: a text, or a regular expression
    pages           the newest lines of a log, for an answer
    plain           lines without colours, to be searched
    position        where a follower is, as text
    raw             the bytes themselves, by range or as a download
    screen          rows that are written over: nested progress bars
    search          search whole logs, in steps
    segment_writer  write them
    times           when bytes were written
    view            bytes -> lines a person may see
"""
