"""dbguard: a guardrail proxy for PostgreSQL.

A *client* connects to dbguard's port as it would to the server. Every *statement* it sends is
read into *facts* (`dbguard.sql`), the *policy* turns facts and *principal* into a *decision*
(`dbguard.policy`), the decision is put on disk (`dbguard.audit`), and only then does the
*engine* (`dbguard.engine`) let the statement go to the server: as it came, on masked data
(`dbguard.masking`), or not at all. `dbguard.proxy` owns the sockets, `dbguard.catalog` the
control connection, `dbguard.guards` what a decision may require, `dbguard.cli` puts it together.

Layers import downward only; `tests/test_architecture.py` holds the order.
"""

from dbguard.running_path import use_compiled

__version__ = "0.1.0"

use_compiled()
