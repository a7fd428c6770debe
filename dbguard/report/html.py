"""A report as one HTML file that needs nothing else: no network, no script, no font.

Style and script stand in it; its Content-Security-Policy names them by their hash and forbids
everything else, so that no text of a client can become one. The script only sorts tables.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from dbguard import __version__
from dbguard.report.charts import share, timeline
from dbguard.report.codes import Said
from dbguard.report.model import Report
from dbguard.report.verdict import judge
from dbguard.report.wording import (
    NAME_LIMIT,
    REASON_LIMIT,
    View,
    event_text,
    few,
    listed,
    name_of,
    plain,
    range_text,
    reason_named,
    reason_of,
    reasons_of,
    rule_of,
)

ROWS = 50
"""Lines in each table, unless somebody wants another number."""
_TEXT_LIMIT = 2_000


def render(report: Report, view: View) -> bytes:
    """The page. The same report gives the same bytes."""
    style, script = _source("report.css"), _source("report.js")
    # neither holds anything but our own text, and no `</`
    page = (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            view=view,
            rows=view.rows,
            judgement=judge(report),
            range=range_text(report, view),
            chart=timeline(report.timeline, view),
            chain_names=[name or "(top level)" for name in report.chains],
            version=__version__,
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            meter=_meter,
            stack=_stack,
            name_of=name_of,
            event_text=event_text,
            reason_named=reason_named,
            reason_of=reason_of,
            reasons_of=reasons_of,
            rule_of=rule_of,
        )
    )
    return page.encode()


def controls(groups: Sequence[tuple[str, Sequence[object]]], report: Report, view: View) -> bytes:
    """What a bundle of evidence shows for sections of regulations; it has no script."""
    style = _source("report.css")
    page = (
        _environment()
        .get_template("controls.html")
        .render(
            groups=groups,
            range=range_text(report, view),
            version=__version__,
            policy=_policy(style, ""),
            style=Markup(style),  # noqa: S704
        )
    )
    return page.encode()


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    environment.filters["name"] = _name
    environment.filters["number"] = _number
    environment.filters["short"] = _short
    environment.filters["statement"] = _statement
    environment.filters["names"] = _names
    environment.filters["listed"] = listed
    environment.filters["said"] = _said
    environment.filters["reason"] = _reason
    environment.filters["marked"] = _marked
    return environment


def _source(name: str) -> str:
    return (files("dbguard.report") / "templates" / name).read_text("utf-8")


def _name(text: str) -> Markup:
    """A name that breaks where its parts do."""
    shown = Markup.escape(plain(text, NAME_LIMIT))
    for mark in "._-":
        shown = shown.replace(mark, Markup(mark + "<wbr>"))  # noqa: S704 - one of three characters
    return shown


def _names(texts: Sequence[str]) -> Markup:
    """Names as a list, long ones cut with their count."""
    shown, more = few(texts)
    rest = [Markup('<span class="rest">and {} more</span>').format(_number(more))] if more else []
    return Markup(", ").join([*map(_name, shown), *rest])


def _said(found: Said) -> Markup:
    return _with_code(_name(found.words), found.code)


def _reason(found: Said) -> Markup:
    return _with_code(Markup.escape(found.words), found.code)


def _with_code(words: Markup, code: str) -> Markup:
    """The code is for those who look further."""
    return Markup("{} <small>{}</small>").format(words, code) if code else words


def _marked(text: str, limit: int = REASON_LIMIT) -> Markup:
    """A sentence in which what stands between two backticks is code."""
    parts = plain(text, limit).split("`")
    if len(parts) % 2 == 0:
        return Markup.escape("`".join(parts))
    code = Markup("<code>{}</code>")
    return Markup().join(code.format(part) if at % 2 else part for at, part in enumerate(parts))


def _number(value: int) -> str:
    return f"{value:,}"


def _short(value: int) -> str:
    """A figure that fits where figures are large."""
    for size, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if value >= 10 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:,}"


def _statement(text: str, action: str) -> str:
    return plain(text, _TEXT_LIMIT) or f"({plain(action)})"


def _meter(part: int, whole: int, sort: str) -> Markup:
    """A bar as wide as `part` is of `whole`. What it shows stands beside it as a figure."""
    return Markup(
        '<svg aria-hidden="true"><rect class="back" width="100%" height="7" rx="1"/>'
        '<rect class="{}" width="{}%" height="7" rx="1"/></svg>'
    ).format(sort, share(part, whole))


def _stack(parts: list[tuple[str, int]]) -> Markup:
    """Bars one behind the other, which fill the width together."""
    whole = sum(count for _, count in parts) or 1
    found, x = Markup(), 0.0
    for sort, count in parts:
        width = 100 * count / whole
        if count:
            found += Markup('<rect class="{}" x="{}%" width="{}%" height="7"/>').format(
                sort, f"{x:.2f}", f"{width:.2f}"
            )
        x += width
    return Markup('<svg aria-hidden="true">{}</svg>').format(found)
