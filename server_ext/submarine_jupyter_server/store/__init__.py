"""The database: tables and queries. ``sqlite`` is the engine: the file, its threads, its backups, its repair.

The modules by topic hold plain functions that take the connection of a transaction first. Times are whole
milliseconds since the Unix epoch.

    lists/         pages of experiments
    sqlite/        the engine: file, writer and reader threads, migrations, backups, repair
    changes        Changes of a spec: stored before the target takes them, and taken back if it refuses
    dialect        What tables and queries need of SQL, and SQLAlchemy says differently from engine to engine
    engine         What the rest of the server needs of the engine
    events         What happened, in order: numbers grow, also over a restored database, and are never used twice
    experiments    The experiments: made, found, changed, deleted
    housekeeping   What people note about experiments: a text, whether it is pinned, whether it is archived
    idempotency    The keys by which a client says that two requests are the same one
    metrics        The metrics read from logs, and how far each log has been read: both move together or not at all
    objects        What targets have made for experiments: kept until these are purged, with a note of what is gone
    origins        Where experiments come from: notebook, cell, and the body that was sent from there
    outbox         The orders to the targets that are still to be carried out: at most one per experiment
    replicas       What was last seen of each replica
    rows           What is read from the experiment table, and what is put in
    searchable     What experiments are found and sorted by beside their columns: parameters, last values of metrics
    space          Refuse what makes the database grow while the disk is full
    summaries      Experiments as a list shows them, and which of them have changed since a moment
    tables         The tables
    tags           The tags of experiments that are not deleted
    transitions    How the status of an experiment moves: only forward, and never after its end
    trusted_clock  Whether the clock may decide what is old: one that is wrong for a moment must not remove anything
"""
