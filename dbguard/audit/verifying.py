"""The check of a trail, under the name it had before it became a package of its own."""

from __future__ import annotations

from dbguard.verification.findings import Finding, NoTrail, Verification
from dbguard.verification.trail import verify

__all__ = ["Finding", "NoTrail", "Verification", "verify"]
