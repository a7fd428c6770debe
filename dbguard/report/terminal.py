"""A report for people, as rich renderables.

All text of clients goes through `plain`: a redacted statement or an application name must not be
able to move the cursor or colour the terminal of whoever reads the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dbguard.report.model import Event, Report, Section, Shape

_TEXT_LIMIT = 400
"""Characters of a statement shown; `--json` and `dbguard audit show` have all of it."""


def plain(text: str, limit: int = 0) -> str:
    """`text` on one line, with control characters replaced, cut to `limit` characters."""
    line = "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))
    return line[: limit - 1] + "…" if limit and len(line) > limit else line


def render(report: Report, rows: int = 10) -> RenderableType:
    """The report with at most `rows` lines in each table."""
    if report.totals.records == 0:
        return Text(f"The audit trail holds no records{_range(report)}: nothing to report.")
    parts: list[RenderableType] = [_summary(report)]
    if not report.blocked.count and not report.masked.count:
        parts.append(Text("Nothing was blocked and nothing was masked.", style="green"))
    if report.blocked.count:
        parts += _section("Blocked", report.blocked, rows, "red")
    if report.masked.count:
        parts += _section("Masked", report.masked, rows, "yellow")
    if report.security:
        parts.append(_events("Security events", report.security, rows, "bold red"))
    if report.drift:
        title = "Drift: classify these columns, or list them under declassified"
        parts.append(_events(title, report.drift, rows, "bold yellow"))
    if report.recoveries:
        parts.append(_events("Audit log repairs and outages", report.recoveries, rows, "magenta"))
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def _summary(report: Report) -> RenderableType:
    totals = report.totals
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="bold")
    grid.add_column()
    for number, what in (
        (totals.allowed, "statements ran as they came"),
        (totals.masked, "ran on masked data"),
        (totals.denied, "were refused by the policy"),
        (totals.undecided, "were refused because they could not be decided"),
        (totals.failed, "were let through and failed in the database"),
        (totals.rows, "rows returned or changed"),
        (totals.sessions, "sessions"),
    ):
        grid.add_row(f"{number:,}", what)
    assert report.first is not None
    assert report.last is not None
    title = f"dbguard report: {_time(report.first)} to {_time(report.last)} UTC"
    return Panel(grid, title=title, title_align="left", expand=False)


def _section(name: str, section: Section, rows: int, style: str) -> Iterator[RenderableType]:
    yield Text(f"{name}: {section.count:,}", style=f"bold {style}")
    yield _counts(section, rows)
    yield _shapes(f"{name} statements", section.shapes, rows)


def _counts(section: Section, rows: int) -> Table:
    table = Table()
    table.add_column("by", style="dim")
    table.add_column("", overflow="fold")
    table.add_column("count", justify="right")
    table.add_column("last (UTC)")
    for what, counts in (
        ("rule", section.by_rule),
        ("principal", section.by_principal),
        ("table", section.by_table),
        ("column", section.by_column),
    ):
        for count in counts[:rows]:
            name = Text(plain(count.name))
            table.add_row(what, name, f"{count.count:,}", _time(count.last))
            what = ""
        if len(counts) > rows:
            table.add_row("", Text(_more(len(counts), rows) or "", style="dim"))
        table.add_section()
    return table


def _shapes(title: str, shapes: tuple[Shape, ...], rows: int) -> Table:
    table = Table(
        title=title, title_justify="left", caption=_more(len(shapes), rows), show_lines=True
    )
    table.add_column("count", justify="right")
    table.add_column("by")
    table.add_column("statement", overflow="fold")
    for shape in shapes[:rows]:
        table.add_row(
            f"{shape.count:,}", Text(plain(", ".join(shape.principals))), _explained(shape)
        )
    return table


def _explained(shape: Shape) -> Text:
    text = Text(plain(shape.text, _TEXT_LIMIT) or f"({plain(shape.action)})", style="bold")
    for why in shape.whys:
        text.append("\n")
        rule = f"{plain(why.rule)}: " if why.rule else ""
        text.append(f"{rule}{plain(why.reason)}", style="not bold red")
        text.append("\n")
        text.append(f"→ {plain(why.remedy)}", style="not bold")
    if shape.masks:
        text.append("\n")
        text.append(plain("; ".join(shape.masks), _TEXT_LIMIT), style="not bold yellow")
    text.append(f"\nlast: record {shape.example}, {_time(shape.last)}", style="not bold dim")
    return text


def _events(title: str, events: tuple[Event, ...], rows: int, style: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style=style,
        caption=f"the last {rows} of {len(events)}" if len(events) > rows else None,
    )
    table.add_column("record", justify="right")
    table.add_column("time (UTC)")
    table.add_column("session")
    table.add_column("what", overflow="fold")
    for event in events[-rows:]:
        what = ", ".join(f"{name}: {value}" for name, value in event.fields)
        table.add_row(
            str(event.sequence), _time(event.time), Text(plain(event.session)), Text(plain(what))
        )
    return table


def _more(count: int, rows: int) -> str | None:
    return f"and {count - rows} more (--limit)" if count > rows else None


def _range(report: Report) -> str:
    since = f" from {_time(report.since)}" if report.since else ""
    until = f" before {_time(report.until)}" if report.until else ""
    return since + until


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
