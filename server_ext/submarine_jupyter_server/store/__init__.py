"""The database: SQLAlchemy Core on one SQLite file, written by one thread of each server.

``database`` opens the file and runs transactions; the modules by topic (``experiments``, ``outbox``, ``idempotency``,
``events``, ``replicas``, ``metrics``) hold plain functions that take the connection of a transaction first. Times are
whole milliseconds since the Unix epoch.
"""
