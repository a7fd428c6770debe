"""The commands that only look at the audit trail.

Put together by themselves, so that a question to the trail need not wait until the parsers of SQL,
and all that the proxy needs, are loaded.
"""

from __future__ import annotations

from . import (
    audit,
    audit_keys,
    audit_originals,
    audit_retention,
    audit_seal,
    audit_search,
    audit_sql,
    audit_verify,
    shipping,
)

audit_app = audit.app
audit_app.command("verify")(audit_verify.verify_command)
audit_app.command("prove")(audit_verify.prove_command)
audit_app.command("check-proof")(audit_verify.check_proof_command)
audit_app.command("search")(audit_search.search_command)
audit_app.command("seal")(audit_seal.seal_command)
audit_app.command("ship")(shipping.ship)
audit_app.command("fetch-checkpoints")(shipping.fetch_checkpoints)
audit_app.command("fetch-copy")(shipping.fetch_copy)
audit_app.command("sql")(audit_sql.sql_command)
audit_app.command("prune")(audit_retention.prune_command)
audit_app.add_typer(audit_retention.hold, name="hold")
audit_app.command("open")(audit_originals.open_command)
audit_keys.app.command("auditor")(audit_originals.auditor_command)
audit_app.add_typer(audit_keys.app, name="key")
