"""Text to facts.

The *referee* (libpg_query, PostgreSQL's own grammar) says how many statements a *text* holds and
parses each into a tree with byte positions. sqlglot, through a stripped *dialect*, reads the
same text a second time; the *cross-check* compares both readings by position. The *resolver*
walks the referee's tree the way PostgreSQL's parse analysis does and resolves every name against
a catalog *snapshot* under the session's *view* (search_path, role). What comes out is a
*reading*: the *facts* that the policy decides on, and the *sites* in the text where *rewrite*
can put *masked relations*. *Verify* parses the rewritten text again and compares. *Redact* and
*fingerprint* make the literal-free forms that may be stored.

Nothing here knows of sockets, clocks or files. All positions inside this package are byte
offsets into the UTF-8 text; `StatementError.position` is in characters, 1-based.
"""
