"""``lifecycle audit``: what was not allowed, in a store or in logs, and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from lifecycle.auditing import Audit, OpenFinding, audit_evidence, evidence_of
from lifecycle.auditing.baseline import FAIL_ON, Baseline, failing, read_baseline
from lifecycle.auditing.figures import PAGE_BY
from lifecycle.auditing.ocel import MARK as OCEL_MARK
from lifecycle.auditing.ocel import writing_ocel
from lifecycle.auditing.overdue import Limit
from lifecycle.auditing.people import read_users
from lifecycle.auditing.report import GROUPED, LISTS, VERDICTS, report
from lifecycle.auditing.words import in_words
from lifecycle.cli import options
from lifecycle.cli.judging import judging
from lifecycle.cli.output import emit, say_all_ignored, to_json
from lifecycle.cli.progress import progress
from lifecycle.domain import OnInvalid, Rules
from lifecycle.errors import MissingExtraError
from lifecycle.replacing import check_replaceable
from lifecycle.replay import seldom_collect
from lifecycle.store import StoreEvidence, VerdictChange
from lifecycle.text import clean, counted, short

#: So many new findings are named when an audit fails.
_SHOWN = 5
_VERDICTS = "verdicts"
_NOTHING = {"overdue": "no lead is overdue", "were_overdue": "no lead was overdue"}
#: Columns that go first where a list is too wide.
_GOING = ("event_id", "by")


@click.command()
@click.argument("sources", metavar="DB|LOG...", type=options.PATH, nargs=-1, required=True)
@options.file(
    "--rules",
    "rules_path",
    meaning="Judge by these rules; without them by the store's own, of a log by the default.",
)
@options.file("--against", meaning="Compare with these rules: what differs.")
@judging
@click.option(
    "--list",
    "which",
    type=click.Choice([*LISTS, _VERDICTS]),
    metavar="LIST",
    help=f"Print one list in full, instead of the report: {', '.join([*LISTS, _VERDICTS])}.",
)
@options.output
@options.file("--html", meaning="Write a page for a browser, too.")
@options.file("--ocel", meaning="Write the events in OCEL 2.0 (SQLite), too, for process mining.")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    metavar="FINDING",
    multiple=True,
    help="End with status 1 when such a finding is open: `error` if nothing else is said, with --by"
    " nothing. May be repeated.",
)
@options.file(
    "--baseline",
    meaning="An earlier audit, as --format json wrote it: what it found does not fail this one.",
)
def audit(
    *,
    sources: tuple[Path, ...],
    rules_path: Path | None,
    against: Path | None,
    on_invalid: OnInvalid,
    overdue: tuple[str, ...],
    now: int | None,
    top: int,
    by: tuple[str, ...],
    users: Path | None,
    which: str | None,
    style: str,
    html: Path | None,
    ocel: Path | None,
    fail_on: tuple[str, ...],
    baseline: Path | None,
) -> None:
    """Find what was not allowed, and the smallest repair.

    Audits one store, or one or more logs without a store; nothing in them is written. Without
    --list, csv, tsv and jsonl print the deviations. Exit status 1 when an error finding is open.
    """
    by, fail_on = tuple(dict.fromkeys(by)), fail_on or ("nothing" if by else "error",)
    _check_usage(which, against, overdue, by, fail_on)
    _check_outputs(html, ocel, (*sources, rules_path, against, baseline, users))
    known = read_baseline(baseline) if baseline else Baseline()
    rules = Rules.from_toml(rules_path) if rules_path else None
    other = Rules.from_toml(against) if against else None
    limits = [Limit.parse(one) for one in overdue]
    seldom_collect()
    with (
        progress("audit") as tell,
        evidence_of(sources, tell, rules=rules) as (evidence, own_rules),
    ):
        rules = rules or own_rules()
        with writing_ocel(ocel) as each:
            found = audit_evidence(
                evidence,
                rules,
                against=other,
                on_invalid=on_invalid,
                limits=limits,
                now=now,
                top=top,
                by=[*by, *(one for one in PAGE_BY if html and one not in by)],
                users=read_users(users) if users else None,
                each=each,
            )
        is_store = isinstance(evidence, StoreEvidence)
        changes = evidence.verdict_changes() if isinstance(evidence, StoreEvidence) else []
    if which == _VERDICTS and not is_store:
        raise click.UsageError("a log has no history of verdicts; expected a store")
    if html is not None:
        _page().write_page(html, found, top, name=", ".join(path.name for path in sources))
    if by and which is None and style != "table":
        which = "figures"
    _print(found, changes, which=which, style=style, top=top, by=by)
    if found.quarantined and not found.events:
        click.echo("not one of them was a message: is this the right file?", err=True)
    elif found.ignored and not found.events:
        say_all_ignored(found.ignored)
    fails = failing(found, fail_on, known)
    if fails:
        click.echo(_failure(fails, fail_on, is_new=baseline is not None), err=True)
    raise SystemExit(bool(fails))


def _check_usage(
    which: str | None,
    against: Path | None,
    overdue: Sequence[str],
    by: Sequence[str],
    fail_on: Sequence[str],
) -> None:
    """Reject options without effect: what was not looked for would seem not to be there."""
    if which == "differences" and against is None:
        raise click.UsageError("--list differences needs --against FILE")
    if which == "figures" and not by:
        raise click.UsageError("--list figures needs --by")
    late = f"--list {which}" if which in ("overdue", "were_overdue") else "--fail-on overdue"
    if not overdue and (which in ("overdue", "were_overdue") or "overdue" in fail_on):
        raise click.UsageError(f"{late} needs --overdue STATE>DURATION")


def _check_outputs(html: Path | None, ocel: Path | None, inputs: Sequence[Path | None]) -> None:
    """Check that nothing that is read is written over, and that no two outputs are one file."""
    read = (path for path in inputs if path is not None)
    taken = {one for path in read for one in options.store_files(path)}
    html_mark = b"" if html is None else _page().MARK
    for output, mark, place in ((html, html_mark, 0), (ocel, *OCEL_MARK)):
        if output is None:
            continue
        if output.resolve() in taken:
            raise click.UsageError(f"{output} is named twice, and would be written over")
        check_replaceable(output, mark, place)
        taken.add(output.resolve())


def _page() -> ModuleType:
    """Return what writes the report for a browser.

    Raises:
        MissingExtraError: The extra ``report`` is not installed.
    """
    try:
        from lifecycle.auditing import page  # noqa: PLC0415 - it comes with an extra
    except ImportError as error:
        raise MissingExtraError("Reports for a browser", f"{error.name}", "report") from None
    return page


def _print(
    found: Audit,
    changes: Sequence[VerdictChange],
    *,
    which: str | None,
    style: str,
    top: int,
    by: Sequence[str],
) -> None:
    if which is None and by:
        from lifecycle.cli.figure_tables import print_figures  # noqa: PLC0415 - rich

        print_figures(found, by, top)
    elif which is None and style == "table":
        from lifecycle.cli.audit_tables import print_audit  # noqa: PLC0415 - rich

        print_audit(found, changes, top)
    elif which is None and style == "json":
        click.echo(to_json(report(found, top), indent=2))
    elif which == _VERDICTS:
        verdicts = (one.as_dict() for one in changes)
        emit(verdicts, VERDICTS, style, nothing="no verdict changed", going=_GOING)
    else:
        which = which or "deviations"
        listed, columns, fields = LISTS[which]
        rows = listed(found)
        if which in GROUPED:
            rows = (row for row in rows if row["by"] in ("all", *by))
        printed = _in_words(rows) if style == "table" else rows
        nothing = _NOTHING.get(which, f"no {which.replace('_', ' ')}")
        emit(printed, columns, style, header=fields, nothing=nothing, going=_GOING)


def _in_words(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows for people: durations and reasons in words."""
    for row in rows:
        words = {name: in_words(name, value) for name, value in row.items()}
        yield row | words


def _failure(fails: Sequence[OpenFinding], fail_on: Sequence[str], *, is_new: bool) -> str:
    """Say why the audit fails; of what is new since a baseline, each."""
    codes = Counter(one.code.replace("_", " ") for one in fails)
    listed = ", ".join(f"{code} {count:,}" for code, count in codes.most_common())
    what = counted(len(fails), "new finding" if is_new else "finding")
    lines = [f"failed on {what} ({' '.join(fail_on)}): {listed}"]
    if is_new:
        lines += [f"  {_finding(one)}" for one in fails[:_SHOWN]]
        lines += [f"  and {len(fails) - _SHOWN:,} more"] * (len(fails) > _SHOWN)
    return "\n".join(lines)


def _finding(one: OpenFinding) -> str:
    parts = (one.code.replace("_", " "), one.lead_id, one.detail, one.event_id)
    return clean(short(": ".join(part for part in parts if part)))
