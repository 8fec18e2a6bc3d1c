"""``lifecycle audit``: what was not allowed, in a store or in logs, and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from lifecycle.auditing import Audit, OpenFinding, audit_evidence, evidence_of
from lifecycle.auditing.baseline import FAIL_ON, Baseline, failing, read_baseline
from lifecycle.auditing.ocel import MARK as OCEL_MARK
from lifecycle.auditing.ocel import writing_ocel
from lifecycle.auditing.page import MARK as PAGE_MARK
from lifecycle.auditing.page import write_page
from lifecycle.auditing.report import LISTS, VERDICTS, report
from lifecycle.auditing.stays import Limit
from lifecycle.auditing.words import in_words
from lifecycle.cli import options
from lifecycle.cli.judging import judging
from lifecycle.cli.output import emit, say_all_ignored, to_json
from lifecycle.cli.progress import progress
from lifecycle.domain import OnInvalid, Rules
from lifecycle.replacing import check_replaceable
from lifecycle.replay import seldom_collect
from lifecycle.store import StoreEvidence, VerdictChange
from lifecycle.text import clean, counted, short

#: So many new findings are named when an audit fails.
_SHOWN = 5
_VERDICTS = "verdicts"


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
    default=["error"],
    show_default=True,
    help="End with status 1 when such a finding is open: a severity, a code. May be repeated.",
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
    _check_usage(which, against, overdue, fail_on)
    _check_outputs(html, ocel, (*sources, rules_path, against, baseline))
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
                each=each,
            )
        is_store = isinstance(evidence, StoreEvidence)
        changes = evidence.verdict_changes() if isinstance(evidence, StoreEvidence) else []
    if which == _VERDICTS and not is_store:
        raise click.UsageError("a log has no history of verdicts; expected a store")
    if html is not None:
        write_page(html, found, top)
    _print(found, changes, which, style, top)
    if found.quarantined and not found.events:
        click.echo("not one of them was a message: is this the right file?", err=True)
    elif found.ignored and not found.events:
        say_all_ignored(found.ignored)
    fails = failing(found, fail_on, known)
    if fails:
        click.echo(_failure(fails, fail_on, is_new=baseline is not None), err=True)
    raise SystemExit(bool(fails))


def _check_usage(
    which: str | None, against: Path | None, overdue: Sequence[str], fail_on: Sequence[str]
) -> None:
    """What was not looked for would not be found, and mislead."""
    if which == "differences" and against is None:
        raise click.UsageError("--list differences needs --against FILE")
    for option, named in (("--list", which == "overdue"), ("--fail-on", "overdue" in fail_on)):
        if named and not overdue:
            raise click.UsageError(f"{option} overdue needs --overdue STATE>DURATION")


def _check_outputs(html: Path | None, ocel: Path | None, inputs: Sequence[Path | None]) -> None:
    """Nothing that is read may be written over, and no two outputs be one file."""
    read = (path for path in inputs if path is not None)
    taken = {one for path in read for one in options.store_files(path)}
    for output, mark, place in ((html, PAGE_MARK, 0), (ocel, *OCEL_MARK)):
        if output is None:
            continue
        if output.resolve() in taken:
            raise click.UsageError(f"{output} is named twice, and would be written over")
        check_replaceable(output, mark, place)
        taken.add(output.resolve())


def _print(
    found: Audit, changes: Sequence[VerdictChange], which: str | None, style: str, top: int
) -> None:
    if which is None and style == "table":
        from lifecycle.cli.audit_tables import print_audit  # noqa: PLC0415 - rich

        print_audit(found, changes, top)
    elif which is None and style == "json":
        click.echo(to_json(report(found, top), indent=2))
    elif which == _VERDICTS:
        rows = (one.as_dict() for one in changes)
        emit(rows, VERDICTS, style, nothing="no verdict changed")
    else:
        which = which or "deviations"
        listed, columns, fields = LISTS[which]
        printed = _in_words(listed(found)) if style == "table" else listed(found)
        emit(printed, columns, style, header=fields, nothing=f"no {which.replace('_', ' ')}")


def _in_words(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows for people: durations and reasons in words."""
    for row in rows:
        words = {name: in_words(name, value) for name, value in row.items()}
        yield row | words


def _failure(fails: Sequence[OpenFinding], fail_on: Sequence[str], *, is_new: bool) -> str:
    """Why the audit fails; of what is new since a baseline, each."""
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
