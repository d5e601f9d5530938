"""The database: tables and queries. ``sqlite`` is the engine: the file, its threads, its backups, its repair.

The modules by topic hold plain functions that take the connection of a transaction first. Times are whole
milliseconds since the Unix epoch.

    annotations/   what is kept of an experiment beside its own row
    curves/        the curves of metrics: their points, and what is kept of these
    lists/         pages of experiments
    reported/      what targets report of experiments
    sqlite/        the engine: file, writer and reader threads, migrations, backups, repair
    changes        Changes of a spec: stored before the target takes them, and taken back if it refuses
    dialect        What tables and queries need of SQL, and SQLAlchemy says differently from engine to engine
    engine         What the rest of the server needs of the engine
    experiments    The experiments: made, found, changed, deleted
    idempotency    The keys by which a client says that two requests are the same one
    memory         What a writer remembers from one transaction to the next
    outbox         The orders to the targets that are still to be carried out: at most one per experiment
    prepared       A statement that is put together once, and carried out for many rows of plain values
    rows           What is read from the experiment table, and what is put in
    space          Refuse what makes the database grow while the disk is full
    tables         The tables
    transitions    How the status of an experiment moves: only forward, and never after its end
    trusted_clock  Whether the clock may decide what is old: one that is wrong for a moment must not remove anything
"""
