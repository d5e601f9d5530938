"""What replicas wrote: kept as bytes, followed while it grows, shown as lines.

Store first, stream from the store: one writer per replica, any number of readers of its files.

    following/      logs while they grow
    lines/          bytes as lines: a page of them, all replicas in one
    search/         find something in logs
    archive         read them: bytes at logical offsets, holes
    layout          the files on disk
    position        where a follower is, as text
    raw             the bytes themselves, by range or as a download
    segment_writer  write them
    times           when bytes were written
"""
