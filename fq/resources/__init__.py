"""
Resources: what a worker opens for actors, such as a pool of connections or a session, and passes to the parameters that ask for it.

``resource`` declares one, ``declared`` finds the one that a parameter asks for, ``open_scope`` opens and closes them.
"""
