"""``lifecycle spark``: the fold and the audit on Apache Spark, beyond what one machine holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from lifecycle.auditing.people import read_users
from lifecycle.auditing.report import report
from lifecycle.cli import options
from lifecycle.cli.grid import print_pairs
from lifecycle.cli.judging import judging
from lifecycle.cli.output import to_json
from lifecycle.domain import OnInvalid, Rules
from lifecycle.errors import MissingExtraError

_EXTRA: Final = ("pandas", "py4j", "pyarrow", "pyspark")

_master = click.option(
    "--master",
    metavar="URL",
    help="The cluster, as Spark names it; without it the one of spark-submit, else this machine.",
)
_conf = click.option(
    "--conf",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting of Spark: spark.driver.memory=4g. May be repeated.",
)
_guards = click.option(
    "--guards",
    metavar="MODULE",
    multiple=True,
    help="A module, or a file of Python, that registers guards; workers import it, too. May be"
    " repeated.",
)


@click.group()
def spark() -> None:
    """Fold and audit on Apache Spark what one machine cannot hold.

    Needs the extra `spark` and a Java runtime.
    """


@spark.command()
@click.argument("logs", metavar="LOG...", nargs=-1, required=True)
@click.option(
    "--out", metavar="DIR", required=True, help="The folder to write to: a path, or a URL."
)
@options.file("--rules", "rules_path", meaning="Rules in TOML; without them the default ones.")
@_guards
@_master
@_conf
@click.option(
    "--components",
    type=click.Choice(["auto", "driver", "rounds"]),
    default="auto",
    show_default=True,
    help="Find clusters on the driver, or in rounds on the cluster; auto: by how many there are.",
)
@click.option(
    "--partitions", type=options.Number(min=1), help="How many parts the work is cut into."
)
@options.as_json
def fold(
    *,
    logs: tuple[str, ...],
    out: str,
    rules_path: Path | None,
    guards: tuple[str, ...],
    master: str | None,
    settings: tuple[str, ...],
    components: Any,
    partitions: int | None,
    as_json: bool,
) -> None:
    """Fold logs into tables of leads, history and findings.

    A LOG is a file with a message a line, plain or packed (`.gz`), a folder of them, or a table
    (`.parquet`) with a column `raw`. DIR gets Parquet tables and `summary.json`: the accounting
    and the digest that a store of the same messages has. A job that failed goes on where it was.
    """
    with _session(master, settings) as (job, session):
        modules = job.load_guards(session, guards)
        rules = None if rules_path is None else Rules.from_toml(rules_path)
        summary = job.fold(
            session,
            logs,
            out=out,
            rules=rules,
            guards=modules,
            components=components,
            partitions=partitions,
        ).as_dict()
    if as_json:
        click.echo(to_json(summary))
    else:
        _print_summary(summary)


@spark.command()
@click.argument("folder", metavar="DIR")
@options.file("--rules", "rules_path", meaning="Judge by these rules; without them by the job's.")
@_guards
@_master
@_conf
@judging
@options.table_or_json
def audit(
    *,
    folder: str,
    rules_path: Path | None,
    guards: tuple[str, ...],
    master: str | None,
    settings: tuple[str, ...],
    on_invalid: OnInvalid,
    overdue: tuple[str, ...],
    by: tuple[str, ...],
    users: Path | None,
    now: int | None,
    top: int,
    style: str,
) -> None:
    """Find what was not allowed, in what `fold` wrote to DIR.

    The report is that of `lifecycle audit` of the same logs.
    """
    with _session(master, settings) as (job, session):
        modules = job.load_guards(session, guards)
        found = job.audit(
            session,
            folder,
            rules=None if rules_path is None else Rules.from_toml(rules_path),
            guards=modules,
            on_invalid=on_invalid,
            overdue=overdue,
            now=now,
            top=top,
            by=tuple(dict.fromkeys(by)),
            users=read_users(users) if users else None,
        )
    if style == "json":
        click.echo(to_json(report(found, top), indent=2))
    elif by:
        from lifecycle.cli.figure_tables import print_figures  # noqa: PLC0415 - rich

        print_figures(found, tuple(dict.fromkeys(by)), top)
    else:
        from lifecycle.cli.audit_tables import print_audit  # noqa: PLC0415 - rich

        print_audit(found, [], top)


@contextmanager
def _session(master: str | None, settings: tuple[str, ...]) -> Iterator[tuple[ModuleType, Any]]:
    """Give the package of the jobs, and a session that is open."""
    named = dict(_setting(text) for text in settings)
    try:
        from lifecycle import spark as job  # noqa: PLC0415 - pyspark is an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise MissingExtraError("Jobs on Spark", "pyspark", "spark") from None
    with job.open_session(master, **named) as session:
        yield job, session


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--conf {text}: expected NAME=VALUE")
    return name, value


def _print_summary(summary: dict[str, Any]) -> None:
    always = ("read", "applied", "refused", "leads")
    rows = [
        (name, f"{count:,}")
        for name, count in summary.items()
        if isinstance(count, int) and (count or name in always)
    ]
    print_pairs(rows, [False, True])
    click.echo(f"digest {summary['digest']}")
