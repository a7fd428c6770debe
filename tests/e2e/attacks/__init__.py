"""Hostile statements as data, and what runs them.

A file holds attacks, separated by lines that begin with three dashes and name the attack. An
attack is a series of steps, separated by empty lines. A step is SQL that the attacker sends as one
message, or begins with a word that says who does what:

    @direct SQL      somebody else's superuser, on a direct connection
    @noticed         wait until dbguard has noticed what was done directly
    @second SQL      the attacker's second session
    @prepare SQL     Parse as statement "s"
    @typed T SQL     Parse as statement "s", its parameter declared to be of type T
    @execute P...    Bind to text parameters and Execute statement "s"
    @describe        Describe statement "s"
    @call F A...     FunctionCall of function F with text arguments

Words after the name: `as=USER`, `how=simple` or another variant, to run it only in that way.
In files of single statements each step is an attack of its own.
"""
