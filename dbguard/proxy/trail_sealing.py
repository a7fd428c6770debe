"""Segments of the audit trail that have ended are sealed, out of the way of statements.

A process of low priority does it; it is started only when there is something to seal. Nothing that
goes wrong there stops a statement: it is told, and tried again later.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.sealing import to_seal
from dbguard.audit.sealing_worker import Report, Result
from dbguard.audit_settings import AuditSettings
from dbguard.errors import AuditUnavailable, ConfigurationError

from .analysis_process import worker_environment
from .metrics import Metrics

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 60.0
"""A segment is written for an hour or more; one listing of a folder a minute is nothing."""
RETRY_SECONDS: Final = 600.0
"""After a failure: a full disk is not helped by writing to it."""


class TrailSealing:
    """Seals one chain for as long as the task of `run` lives."""

    def __init__(
        self,
        settings: Callable[[], AuditSettings],
        record: Callable[[EventRecord], object],
        metrics: Metrics,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`record` puts a record into the trail; it may raise AuditUnavailable."""
        self._settings = settings
        self._record = record
        self._metrics = metrics
        self._look_seconds = look_seconds
        self._changed: set[str] = set()
        """Segments that are not what was written, which was recorded."""

    async def run(self) -> None:
        wait = self._look_seconds
        while True:
            await asyncio.sleep(wait)
            wait = self._look_seconds
            settings = self._settings()
            if settings.segments.compress and await asyncio.to_thread(
                self._is_work, settings.chain
            ):
                failed = not await self._work(settings.chain)
                wait = RETRY_SECONDS if failed else wait

    def _is_work(self, folder: Path) -> bool:
        try:
            return any(segment.plain.name not in self._changed for segment in to_seal(folder))
        except (OSError, ConfigurationError):
            return False  # the writer tells what is wrong with the folder

    async def _work(self, folder: Path) -> bool:
        """Have the worker seal; False when something failed that may go well later."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "dbguard.audit.sealing_worker",
                str(folder),
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=worker_environment(),
            )
        except OSError as error:
            log.warning("segments are not sealed", cause=(error.strerror or "").lower())
            return False
        try:
            out, _ = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        good = process.returncode == 0
        for line in out.splitlines():
            try:
                report = Report.parse(line)
            except (ValueError, KeyError, TypeError):
                good = False  # it was killed in the middle of a line
                continue
            self._tell(report)
            good = good and report.result is not Result.FAILED
        if process.returncode:
            log.warning("segments are not sealed", cause=f"exit code {process.returncode}")
        return good

    def _tell(self, report: Report) -> None:
        self._metrics.sealed_segments.labels(report.result.value).inc()
        if report.result is Result.SEALED:
            log.info("segment sealed", segment=report.segment, bytes=report.raw, sealed=report.size)
        elif report.result is Result.FAILED:
            log.warning("segment not sealed", segment=report.segment, cause=report.problem)
        elif report.segment not in self._changed:
            log.error("the audit trail was changed", problem=report.problem)
            fields = (
                ("found_by", "sealing"),
                ("segment", report.segment),
                ("problem", report.problem),
            )
            # Not on record while the trail cannot be written: then it is found again.
            with contextlib.suppress(AuditUnavailable):
                self._record(EventRecord(RecordKind.VERIFICATION, "", fields))
                self._changed.add(report.segment)
