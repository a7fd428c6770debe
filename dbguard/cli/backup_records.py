"""What the command line does with backups, in the operator's chain of the audit trail.

Nothing is begun that cannot be recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from dbguard.audit.own_chain import operator_chain
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit_settings import AuditSettings
from dbguard.errors import DbguardError
from dbguard.guards.backup.describing import described
from dbguard.guards.backup.model import Backup

_PATIENCE = 10.0
"""Seconds for a record to be on disk."""


class BackupRecords:
    """The records of one act: `made`, `verified`, `restored` or `pruned`."""

    def __init__(
        self,
        settings: AuditSettings,
        act: str,
        database: str,
        backup_id: str = "",
        into: str = "",
    ) -> None:
        """`into`: where it is restored to."""
        self._settings = settings
        self._act = act
        self._into = {"into": into} if into else {}
        named = {"backup": backup_id} if backup_id else {}
        self._about = {"database": database, **named, **self._into}

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Record that it begins, and how it failed if it did.

        Raises:
            ConfigurationError, AuditUnavailable: it cannot be recorded, and must not begin.
        """
        self._write(event="begun", act=self._act, **self._about)
        try:
            yield
        except DbguardError as error:
            self._write(event="failed", act=self._act, **self._about, reason=error.message)
            raise
        except BaseException:
            self._write(event="interrupted", act=self._act, **self._about)
            raise

    def succeeded(self, backup: Backup) -> None:
        """Record what is there now."""
        self._write(event=self._act, **described(backup), **self._into)

    def _write(self, **fields: str) -> None:
        log = operator_chain(self._settings)
        try:
            record = EventRecord(RecordKind.BACKUP, "", tuple(fields.items()))
            log.wait(log.append(record), _PATIENCE)
        finally:
            log.close()
