"""Alembic's scripts, run by ``upgrade``."""
