"""The engine: one SQLite file, written by one thread of each server, backed up and repaired.

migrations/  Alembic's scripts
backups      Copies of the database to fall back on
ballast      A file to give up when the disk is full, so that what has ended can still be recorded
connection   Connections to the database file, set up the same way everywhere
database     The one object through which the server reads and writes its database
failures     What an error of SQLite means to a person
filesystem   What the file system under the database is, and who may enter it
foreign      Whether somebody else has changed the database, without a look at what it holds
job_threads  Threads that work through a queue of jobs, and give the results back to the event loop
layout       How SQLite lays the tables out, and its forms of what ``dialect`` leaves to the engine
lock         Which servers have the database open
opening      Open the database file, whatever state it is in
readers      The threads that read
recovery     Make the database file usable before the server works with it: create it, restore it, migrate it
schema       Which schema a database file has, and how it gets the one this code needs
writer       The one thread that writes
"""
