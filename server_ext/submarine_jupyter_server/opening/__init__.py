"""Open the service and end it: everything is built here, in the background, and lives until the server ends.

activity  Whether experiments live, for a Jupyter Server that ends when it has been idle
startup   The service while it is being opened: the server answers at once, the heavy part follows
wiring    build the objects of the server and own their life
"""
