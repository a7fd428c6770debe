"""Sockets: the only layer that waits.

The *listener* takes a client, a *connection* carries its bytes to the sans-io engine and back, on
one leg or both in TLS (`tls`). Clients cancel with keys of dbguard's own (`cancel`). Statements
are analysed in worker processes (`analysis_pool`), so that text which hangs or crashes a parser
costs one refusal. `tasks` starts whatever runs in the background, so that no failure goes unseen.
"""
