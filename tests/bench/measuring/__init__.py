"""What `speed.py` is made of.

A *system* is what a client connects to: the server directly, PgBouncer, or dbguard. A *measure* is
one thing that is done through several systems in turns; one turn through one of them gives a
*sample*. `figures` makes *lines* of a table from the samples: medians, ratios, and whether a
target is reached. `rig` starts server and proxies, `processes` asks the operating system what they
use, and every other module holds measures of one kind.
"""
