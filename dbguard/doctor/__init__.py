"""Ways past dbguard, and what closes them.

`looking` asks a server what is *observed*: whom it lets in from where, which roles no rule binds,
what it can be made to read or send. `checks` turns that into *findings*, each with the reason and
the lines to paste. Nothing is changed, and no table is read.
"""
