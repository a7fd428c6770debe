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

from dbguard.report.model import Count, Events, Report, Section, Shape
from dbguard.report.verdict import Judgement, Level, judge
from dbguard.report.wording import (
    REASON_LIMIT,
    View,
    event_text,
    listed,
    name_of,
    plain,
    range_text,
    reason_named,
    reason_of,
    reasons_of,
    rule_of,
    sparkline,
    squeezed,
)

__all__ = ["plain", "render"]

_TEXT_LIMIT = 400
"""Characters of a statement shown; `--json` and `dbguard audit show` have all of it."""
_SPARK_WIDTH = 60
_STYLES = {Level.CALM: "bold green", Level.LOOK: "bold yellow", Level.ACT: "bold red"}


def render(report: Report, view: View | None = None) -> RenderableType:
    """The report, with at most `view.rows` lines in each table."""
    return _Page(report, view or View()).whole()


class _Page:
    def __init__(self, report: Report, view: View) -> None:
        self.report = report
        self.view = view
        self.rows = view.rows

    def whole(self) -> RenderableType:
        report = self.report
        if report.totals.records == 0:
            return Text(f"The audit trail holds no records{self._range()}: nothing to report.")
        parts = [self._verdict(judge(report)), self._summary()]
        if not report.blocked.count and not report.masked.count:
            parts.append(Text("Nothing was blocked and nothing was masked.", style="green"))
        parts += [*self._urgent(), *self._statements(), *self._access(), *self._rest()]
        return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))

    def _verdict(self, judgement: Judgement) -> RenderableType:
        text = Text(judgement.headline, style=_STYLES[judgement.level])
        for point in judgement.points:
            text.append("\n  ")
            text.append("! " if point.level is Level.ACT else "- ", _STYLES[point.level])
            text.append(point.text, "not bold default")
        return text

    def _summary(self) -> RenderableType:
        report, totals = self.report, self.report.totals
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
            (totals.sessions, "sessions" + (", and more" if totals.sessions_more else "")),
        ):
            grid.add_row(f"{number:,}", what)
        for what, values, style in (
            ("ran", [b.allowed + b.masked for b in report.timeline.buckets], "green"),
            ("refused", [b.refused for b in report.timeline.buckets], "red"),
        ):
            line = sparkline(squeezed(values, _SPARK_WIDTH))
            if line.strip():
                shown = Text(line, style=style)
                shown.append(f" by {report.timeline.grain}", "dim")
                grid.add_row(Text(what, style="not bold dim"), shown)
        title = f"dbguard report: {range_text(report, self.view)}"
        return Panel(grid, title=title, title_align="left", expand=False)

    def _urgent(self) -> Iterator[RenderableType]:
        events = self.report.events
        yield from self._events("Security events", events.security, "bold red")
        yield from self._events("Sessions past dbguard", events.past, "bold red")
        title = "The audit trail was found changed"
        yield from self._events(title, events.verifications, "bold red")

    def _statements(self) -> Iterator[RenderableType]:
        if self.report.blocked.count:
            yield from self._section("Blocked", self.report.blocked, "red")
        if self.report.masked.count:
            yield from self._section("Masked", self.report.masked, "yellow")

    def _access(self) -> Iterator[RenderableType]:
        report = self.report
        if report.raw.statements:
            yield self._raw()
        if report.bulk.count:
            yield self._bulk()
        if report.structure:
            title = "Changes of structure, and the backups they were allowed on"
            yield self._shapes(title, report.structure)
        if report.requirements:
            yield self._count_table("Requirements met", (("how", report.requirements),))
        if report.logins.failed:
            logins = report.logins
            yield self._count_table(
                f"Failed logins: {logins.failed:,} (and {logins.accepted:,} accepted)",
                (
                    ("user", logins.failed_by_user),
                    ("address", logins.failed_by_address),
                    ("reason", logins.failed_by_reason),
                ),
            )

    def _rest(self) -> Iterator[RenderableType]:
        events = self.report.events
        title = "Drift: classify these columns, or list them under declassified"
        yield from self._events(title, events.drift, "bold yellow")
        yield from self._events("Audit log repairs and outages", events.recoveries, "magenta")
        yield from self._events("The clock was set", events.clocks, "magenta")
        yield from self._events("Signing keys", events.keys, "bold")
        yield from self._events("Records removed and held", events.retention, "bold")
        yield from self._events("Changes of the policy", events.policies, "bold")
        yield from self._events("Backups", events.backups, "bold")
        yield from self._events("Users", events.users, "bold")
        for note in self.report.notes:
            yield Text(f"note: {note}", style="dim")

    def _section(self, name: str, section: Section, style: str) -> Iterator[RenderableType]:
        yield Text(f"{name}: {section.count:,}", style=f"bold {style}")
        yield self._count_table(
            "",
            (
                ("rule", section.by_rule),
                ("principal", section.by_principal),
                ("table", section.by_table),
                ("column", section.by_column),
            ),
        )
        yield self._shapes(f"{name} statements", section.shapes)

    def _count_table(self, title: str, groups: tuple[tuple[str, tuple[Count, ...]], ...]) -> Table:
        table = Table(title=title or None, title_justify="left", title_style="bold")
        table.add_column("by", style="dim")
        table.add_column("", overflow="fold")
        table.add_column("count", justify="right")
        table.add_column("last")
        for what, counts in groups:
            coded = what in ("rule", "reason")
            for count in counts[: self.rows]:
                name = Text(str(reason_named(count)) if coded else name_of(count))
                table.add_row(what, name, f"{count.count:,}", self._time(count.last))
                what = ""
            if len(counts) > self.rows:
                table.add_row("", Text(self._more(len(counts)) or "", style="dim"))
            table.add_section()
        return table

    def _shapes(self, title: str, shapes: tuple[Shape, ...]) -> Table:
        table = Table(
            title=title, title_justify="left", caption=self._more(len(shapes)), show_lines=True
        )
        table.add_column("count", justify="right")
        table.add_column("by")
        table.add_column("statement", overflow="fold")
        for shape in shapes[: self.rows]:
            table.add_row(
                f"{shape.count:,}",
                Text(listed(shape.principals)),
                self._explained(shape),
            )
        return table

    def _explained(self, shape: Shape) -> Text:
        text = Text(plain(shape.text, _TEXT_LIMIT) or f"({plain(shape.action)})", style="bold")
        whys, more = reasons_of(shape.whys)
        for why in whys:
            rule = rule_of(why)
            text.append("\n")
            text.append(
                f"{rule}: {reason_of(why)}" if rule else str(reason_of(why)), "not bold red"
            )
            text.append("\n")
            text.append(f"→ {plain(why.remedy, REASON_LIMIT)}", style="not bold")
        if more:
            text.append(f"\nand {more:,} more reasons", "not bold dim")
        if shape.masks:
            text.append("\n")
            text.append(listed(shape.masks, "; "), style="not bold yellow")
        if shape.requirements:
            text.append("\n")
            text.append(listed(shape.requirements, "; "), style="not bold green")
        text.append(f"\nlast: record {shape.example}, {self._time(shape.last)}", "not bold dim")
        return text

    def _raw(self) -> Table:
        raw = self.report.raw
        table = Table(
            title=f"Who saw classified values unmasked: {raw.statements:,} statements, "
            f"{raw.rows:,} rows",
            title_justify="left",
            title_style="bold",
            caption=self._more(len(raw.entries)),
        )
        table.add_column("who", overflow="fold")
        table.add_column("column", overflow="fold")
        table.add_column("statements", justify="right")
        table.add_column("rows", justify="right")
        table.add_column("last")
        table.add_column("record", justify="right")
        for entry in raw.entries[: self.rows]:
            column = plain(entry.column) + (" (computed)" if entry.computed else "")
            table.add_row(
                Text(plain(entry.who)),
                Text(column),
                f"{entry.statements:,}",
                f"{entry.rows:,}",
                self._time(entry.last),
                entry.example,
            )
        return table

    def _bulk(self) -> Table:
        bulk = self.report.bulk
        table = Table(
            title=f"Bulk reads of classified tables ({bulk.threshold:,} rows or more): "
            f"{bulk.count:,}",
            title_justify="left",
            title_style="bold",
            caption=self._more(len(bulk.entries)),
        )
        table.add_column("count", justify="right")
        table.add_column("rows", justify="right")
        table.add_column("who", overflow="fold")
        table.add_column("statement", overflow="fold")
        table.add_column("values")
        table.add_column("record", justify="right")
        for entry in bulk.entries[: self.rows]:
            table.add_row(
                f"{entry.count:,}",
                f"{entry.rows:,}",
                Text(plain(entry.who)),
                Text(plain(entry.text, _TEXT_LIMIT) or f"({plain(entry.action)})"),
                Text("unmasked", "red") if entry.raw else Text("masked or not shown", "dim"),
                entry.example,
            )
        return table

    def _events(self, title: str, events: Events, style: str) -> Iterator[RenderableType]:
        if not events.latest:
            return
        shown = events.latest[-self.rows :]
        table = Table(
            title=title,
            title_justify="left",
            title_style=style,
            caption=f"the last {len(shown)} of {events.count}"
            if events.count > len(shown)
            else None,
        )
        table.add_column("record", justify="right")
        table.add_column("time")
        table.add_column("session")
        table.add_column("what", overflow="fold")
        for event in shown:
            table.add_row(
                event.record,
                self._time(event.time),
                Text(plain(event.session)),
                Text(event_text(event)),
            )
        yield table

    def _more(self, count: int) -> str | None:
        return f"and {count - self.rows} more (--limit)" if count > self.rows else None

    def _range(self) -> str:
        report = self.report
        since = f" from {self._time(report.since)}" if report.since else ""
        until = f" before {self._time(report.until)}" if report.until else ""
        return since + until

    def _time(self, time: datetime) -> str:
        return self.view.time(time)
