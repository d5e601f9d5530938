"""The database: tables and queries. ``sqlite`` is the engine: the file, its threads, its backups, its repair.

The modules by topic hold plain functions that take the connection of a transaction first. Times are whole
milliseconds since the Unix epoch.

    annotations/   what is kept of an experiment beside its own row
    curves/        the curves of metrics: their points, and what is kept of these
    engine/        what the server and its queries need of an engine
    lists/         pages of experiments
    orders/        what was asked for: orders, changes that wait, keys of requests
    reported/      what targets report of experiments
    sqlite/        the engine: file, writer and reader threads, migrations, backups, repair
    tables/        the tables, and what they need of SQL that engines say differently
    experiments    The experiments: made, found, changed, deleted
    rows           What is read from the experiment table, and what is put in
    transitions    How the status of an experiment moves: only forward, and never after its end
    trusted_clock  Whether the clock may decide what is old: one that is wrong for a moment must not remove anything
"""
