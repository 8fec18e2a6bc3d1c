"""Progress of long work, where a person watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from lifecycle.cli.wrapping import console
from lifecycle.replay import Progress
from lifecycle.text import clean


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar where a person watches: bytes, messages a second, refusals so far."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.filesize import decimal  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415 - only where a person watches
        BarColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[size]}", style="progress.download"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task(what, total=None, size="", rate="")

        def tell(now: Progress) -> None:
            seconds = bar.tasks[task].elapsed or 0.001
            rate = f"{now.read / seconds:,.0f}/s"
            if now.refused is not None:
                rate += f", {now.refused:,} refused"
            size = decimal(now.done) + ("" if now.size is None else f"/{decimal(now.size)}")
            bar.update(
                task,
                description=clean(Path(now.name).name),
                total=now.size,
                completed=now.done,
                size=size,
                rate=rate,
                refresh=True,
            )

        yield tell


@contextlib.contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Show a sign of life where a person watches, for work whose end nobody knows."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with console(err=True).status(what) as status:
        yield lambda now: status.update(f"{what}: {now}")
