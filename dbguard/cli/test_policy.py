"""`dbguard test`: do the rules decide as their cases say?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbguard.errors import DbguardError
from dbguard.policy.cases import CaseResult, load_cases, require_cases, run_case
from dbguard.policy.loading import load_policy
from dbguard.sql.analysis import analyze
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import SessionView

from .catalog_source import CatalogOption, load_catalog
from .check import bound_policy, fail, wording

CATALOG_FILE = "catalog.json"
"""Beside the rules: the catalog that the cases are about."""


def test(
    rules: Annotated[Path, typer.Argument(help="Folder of rules and cases.", show_default=False)],
    catalog: CatalogOption = None,  # noqa: PT028 - a command, not a pytest test
    failures_only: Annotated[
        bool, typer.Option("--failures", help="Print failing cases only.")
    ] = False,  # noqa: PT028
) -> None:
    """Run the cases that stand beside the rules, without a server.

    A case is a statement of a principal and the decision it has to get. The catalog is that of
    --catalog, else the file catalog.json beside the rules. Exit code 0: all pass; 1: a case
    fails; 2: rules, cases or catalog can't be read.
    """
    try:
        policy = load_policy(rules)
        cases = load_cases(rules)
        require_cases(cases, rules)
        snapshot = load_catalog(catalog or str(rules / CATALOG_FILE))
        bound = bound_policy(policy, snapshot)
    except DbguardError as error:
        fail(wording(error))

    def read(text: str, view: SessionView) -> Sequence[StatementFacts]:
        return [reading.facts for reading in analyze(text, snapshot, view, DEFAULT_LIMITS)]

    results = [run_case(case, bound, read) for case in cases]
    failed = [r for r in results if not r.passed]
    _print_results(failed if failures_only else results)
    typer.echo(f"{len(results) - len(failed)} of {len(results)} cases pass")
    if failed:
        raise typer.Exit(1)


def _print_results(results: Sequence[CaseResult]) -> None:
    if not results:
        return
    table = Table(box=None, pad_edge=False, show_edge=False)
    for column in ("", "case", "who", "outcome", "rules and reasons"):
        table.add_column(column, overflow="fold")
    for result in results:
        case = result.case
        mark = Text("pass", "green") if result.passed else Text("FAIL", "bold red")
        table.add_row(
            mark,
            Text(case.name),
            Text(case.principal.name),
            Text(str(result.outcome)),
            Text(_explanation(result)),
        )
    Console().print(table)


def _explanation(result: CaseResult) -> str:
    if result.passed:
        return ", ".join(result.rules)
    place = f"{result.case.place.file}:{result.case.place.line}"
    return "\n".join((f"{place}: {'; '.join(result.failures)}", *result.reasons))
