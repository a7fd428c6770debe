"""The geometry of charts. Templates draw them; numbers here are in the units of their view box."""

from __future__ import annotations

from dataclasses import dataclass

from dbguard.report.model import Bucket, Timeline
from dbguard.report.wording import View

WIDTH = 1000
_LEFT = 44
"""Room for the scale's figures."""
_LABELS = 9
"""Names along the axis, at most."""
_FEW = 3
_GAP = 0.22
"""Of a bucket's width, left free between bars."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    sort: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the scale."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Hover:
    """A bucket's whole height, which says what stands there."""

    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One scale with its bars."""

    title: str
    top: float
    height: float
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class TimelineChart:
    width: int
    height: float
    left: float
    panels: tuple[Panel, ...]
    labels: tuple[Label, ...]
    hovers: tuple[Hover, ...]


def timeline(found: Timeline, view: View) -> TimelineChart | None:
    """What ran above, what was refused below, each with its own scale; None without buckets."""
    buckets = found.buckets
    if not buckets:
        return None
    step = (WIDTH - _LEFT) / len(buckets)
    ran = _panel(buckets, ("allowed", "masked"), "ran", 18, 120, step)
    refused = _panel(buckets, ("refused",), "refused", 172, 60, step)
    bottom = 172 + 60
    labels = tuple(
        Label(_LEFT + index * step, text)
        for index, text in _labelled([_tick(b, found.grain, view) for b in buckets])
    )
    hovers = tuple(
        Hover(
            round(_LEFT + index * step, 2),
            round(step, 2),
            f"{view.bucket(b.start, found.grain)}: {b.allowed:,} allowed, {b.masked:,} masked, "
            f"{b.refused:,} refused",
        )
        for index, b in enumerate(buckets)
    )
    return TimelineChart(WIDTH, bottom + 26, _LEFT, (ran, refused), labels, hovers)


def share(part: int, whole: int) -> str:
    """A part as a percentage for a bar's width; something is never nothing."""
    if not whole or not part:
        return "0"
    return f"{max(100 * part / whole, 0.6):.2f}"


def _panel(
    buckets: tuple[Bucket, ...],
    sorts: tuple[str, ...],
    title: str,
    top: float,
    height: float,
    step: float,
) -> Panel:
    most = max(sum(getattr(bucket, sort) for sort in sorts) for bucket in buckets)
    scale = _round_up(most)
    bars = []
    width = min(step * (1 - _GAP), 46)
    for index, bucket in enumerate(buckets):
        base = top + height
        for sort in sorts:
            count = getattr(bucket, sort)
            if count:
                size = max(height * count / scale, 1)
                base -= size
                x = _LEFT + index * step + (step - width) / 2
                bars.append(Bar(round(x, 2), round(base, 2), round(width, 2), round(size, 2), sort))
    values = (0, scale // 2, scale) if scale > 1 else (0, scale)
    lines = tuple(
        Line(round(top + height - height * value / scale, 2), _short(value)) for value in values
    )
    return Panel(title, top, height, tuple(bars), lines)


def _round_up(value: int) -> int:
    """The next number that reads well: 2, 4, 6, 8, 10, 20, … 1."""
    if value <= 1:
        return 1
    size: int = 10 ** (len(str(value)) - 1)
    for tenths in (10, 12, 16, 20, 30, 40, 50, 60, 80, 100):
        scale: int = tenths * size // 10
        if scale >= value and scale % 2 == 0:
            return scale
    return 10 * size


def _short(value: int) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def _tick(bucket: Bucket, grain: str, view: View) -> tuple[str, bool]:
    """What the bucket is called on the axis, and whether a larger unit begins with it."""
    local = view.zone.local(bucket.start)
    if grain == "10 minutes":
        return local.strftime("%H:%M"), local.minute == 0
    if grain == "hour":
        midnight = local.hour == 0
        return (f"{local:%a} {local.day} {local:%b}" if midnight else f"{local:%H:%M}"), midnight
    if grain == "month":
        return local.strftime("%b %Y"), local.month == 1
    return f"{local.day} {local:%b}", local.weekday() == 0 if grain == "day" else local.day <= 7


def _labelled(ticks: list[tuple[str, bool]]) -> list[tuple[int, str]]:
    """The labels that there is room for: where larger units begin, if that is often enough."""
    every = max(1, -(-len(ticks) // _LABELS))
    marked = [index for index, (_, begins) in enumerate(ticks) if begins]
    if not _FEW <= len(marked) <= _LABELS:
        marked = list(range(0, len(ticks), every))
    room = len(ticks) / (_LABELS + 2)
    return [(index, ticks[index][0]) for index in marked if len(ticks) - index >= room]
