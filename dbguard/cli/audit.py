"""`dbguard audit`: look at the audit trail and check that nobody changed it."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer

from dbguard.audit.reading import Follower, Selection, find, last, outcome_of, read
from dbguard.audit.records import DecisionRecord, RecordKind
from dbguard.audit.searching import of_kinds, search
from dbguard.audit.trails import chains, parse_record_name, segments
from dbguard.audit_settings import AuditSettings
from dbguard.config import load_settings
from dbguard.errors import ConfigurationError
from dbguard.report.periods import moment
from dbguard.report.zones import LOCAL
from dbguard.verification.findings import NoTrail
from dbguard.verification.regular_file import HINT, NotAFile

from .audit_lines import print_records

DEFAULT_CONFIG = Path("dbguard.yaml")
_POLL_SECONDS = 0.3

AuditOption = Annotated[
    Path | None,
    typer.Option("--audit", metavar="DIR", help="The audit directory.", show_default=False),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="DBGUARD_CONFIG",
        help="Settings file that names the audit directory [default: dbguard.yaml, if there].",
        show_default=False,
    ),
]
SinceOption = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="From then on: 24h, 'last night', monday, 2026-11-01, by this machine's time zone; or "
        "2026-11-01T08:00Z.",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str, typer.Option(metavar="WHEN", help="Before then, written likewise.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
NoIndexOption = Annotated[
    bool,
    typer.Option("--no-index", help="Read everything, whatever the indexes of segments say."),
]

app = typer.Typer(
    no_args_is_help=True,
    help="Look at the audit trail, check that nobody changed it, keep it and ship it.",
)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what the user can mend into one line on standard error and exit code 2."""
    try:
        yield
    except ConfigurationError as error:
        end = "" if error.message.endswith("?") else "."
        _fail(f"{error.message}{end} {error.hint}".rstrip())
    except NoTrail as error:
        _fail(f"{error}. Name the directory with --audit, or the settings file with --config.")
    except NotAFile as error:
        _fail(f"{error.filename}: {error.strerror}. {HINT}")
    except BrokenPipeError:
        # Whoever read the output has seen enough (`| head`); keep the interpreter from flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}. Check the path and its permissions.")


def _fail(message: str) -> NoReturn:
    typer.echo(f"dbguard: {message}", err=True)
    raise typer.Exit(2)


def trail_directory(audit: Path | None, config: Path | None) -> Path:
    """The audit directory that the options mean. Raises ConfigurationError."""
    if audit is not None:
        return audit
    if config is None and not DEFAULT_CONFIG.exists():
        raise ConfigurationError(
            "which audit trail?",
            hint="Give --audit DIR, or --config FILE of the proxy that writes it.",
        )
    return load_settings(config or DEFAULT_CONFIG, os.environ).audit.directory


def trail_settings(audit: Path | None, config: Path | None) -> AuditSettings:
    """The settings of the trail that the options mean; the defaults where only its directory is
    named. Raises ConfigurationError."""
    directory = trail_directory(audit, config)
    if config is None and audit is not None:
        return AuditSettings(directory=directory.absolute())
    found = load_settings(config or DEFAULT_CONFIG, os.environ).audit
    return found if audit is None else found.model_copy(update={"directory": directory.absolute()})


def period(since: str, until: str) -> tuple[datetime | None, datetime | None]:
    """The options as points in time. Raises ConfigurationError."""
    now = datetime.now(UTC)
    start = moment(since, now, "--since", LOCAL) if since else None
    end = moment(until, now, "--until", LOCAL) if until else None
    if start and end and start >= end:
        raise ConfigurationError("--since is not before --until")
    return start, end


def tell_of_indexes(directory: Path) -> None:
    """Say, where it is so, that what indexes left out was not looked at.

    Raises ConfigurationError.
    """
    if any(segment.sealed for chain in chains(directory) for segment in segments(chain.folder)):
        typer.echo(
            "dbguard: what indexes of sealed segments left out was not read; they are no "
            "evidence, --no-index reads everything",
            err=True,
        )


@app.command()
def show(
    record: Annotated[
        str,
        typer.Argument(
            metavar="[[WRITER:]SEQ]", help="One record, in full, by its name.", show_default=False
        ),
    ] = "",
    audit: AuditOption = None,
    config: ConfigOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    kind: Annotated[
        list[RecordKind] | None, typer.Option(help="Only these kinds (repeatable).")
    ] = None,
    principal: Annotated[
        str, typer.Option(metavar="NAME", help="Only this database user.", show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option(min=0, help="The last so many of them; 0 shows all.")] = 100,
    no_index: NoIndexOption = False,
    json: JsonOption = False,
) -> None:
    """Show records: one in full, a decision with its outcome; or those that fit the filters.

    --json prints the lines as they stand in the trail. The trail is read as it is: `verify` says
    whether it is the one that was written. Filters believe the indexes of sealed segments, but
    for --no-index.

    Example: dbguard audit show 4711
    """
    with one_line_errors():
        directory = trail_directory(audit, config)
        if record:
            _show_one(directory, record, json)
            return
        start, end = period(since, until)
        chosen = Selection(start, end, frozenset(kind or ()), principal)
        if limit and not principal:
            newest = search(directory, of_kinds(chosen), index=not no_index)
            print_records(reversed(list(itertools.islice(newest, limit))), json)
        else:
            records = read(directory, chosen, index=not no_index)
            print_records(deque(records, maxlen=limit) if limit else records, json)
        if not no_index and chosen != Selection():
            tell_of_indexes(directory)


@app.command()
def tail(
    audit: AuditOption = None,
    config: ConfigOption = None,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="How many to show.")] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing records as they come.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show the last records, and with --follow those that come (end with Ctrl-C).

    Example: dbguard audit tail -f
    """
    with one_line_errors(), contextlib.suppress(KeyboardInterrupt):
        directory = trail_directory(audit, config)
        follower = Follower(directory)
        shown = last(directory, count)
        print_records(shown, json)
        after = {stored.writer: stored.sequence for stored in shown}
        while follow:
            came = follower.new()
            print_records([one for one in came if one.sequence > after.get(one.writer, 0)], json)
            time.sleep(_POLL_SECONDS)


def _show_one(directory: Path, name: str, json: bool) -> None:
    writer, sequence = parse_record_name(name)
    stored = find(directory, writer, sequence)
    if stored is None:
        raise ConfigurationError(
            f"{directory}: there is no record {name}; it was not written, was lost in an outage "
            "of the audit log, or was pruned"
        )
    outcome = outcome_of(directory, stored) if isinstance(stored.record, DecisionRecord) else None
    if json:
        typer.echo(stored.line + (outcome.line if outcome else b""), nl=False)
        return
    document = orjson.loads(stored.line)
    if outcome is not None:
        document["outcome"] = orjson.loads(outcome.line)
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
