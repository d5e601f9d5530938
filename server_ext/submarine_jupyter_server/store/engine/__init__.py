"""What the server and its queries need of an engine, beyond the SQL of all.

database  What the rest of the server needs of the engine
memory    What a writer remembers from one transaction to the next
prepared  A statement that is put together once, and carried out for many rows of plain values
space     Refuse what makes the database grow while the disk is full
"""
