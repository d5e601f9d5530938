"""The causes behind a status, each in one module and in plain words: pure functions from views to a ``Trouble``."""
