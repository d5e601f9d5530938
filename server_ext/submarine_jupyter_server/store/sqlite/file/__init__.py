"""The database file: opened whatever state it is in, repaired, backed up.

backups     Copies of the database to fall back on
ballast     A file to give up when the disk is full, so that what has ended can still be recorded
filesystem  What the file system under the database is, and who may enter it
lock        Which servers have the database open
opening     Open the database file, whatever state it is in
recovery    Make the database file usable before the server works with it: create it, restore it, migrate it
"""
