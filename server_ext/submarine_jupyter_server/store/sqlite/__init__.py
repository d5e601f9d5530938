"""The engine: one SQLite file, written by one thread of each server, backed up and repaired.

file/        the database file: opened, repaired, backed up
migrations/  Alembic's scripts
threads/     one thread writes, others read
connection   Connections to the database file, set up the same way everywhere
database     The one object through which the server reads and writes its database
failures     What an error of SQLite means to a person
foreign      Whether somebody else has changed the database, without reading what it holds
layout       How SQLite lays the tables out, and its forms of what ``dialect`` leaves to the engine
schema       Which schema a database file has, and how it gets the one this code needs
"""
