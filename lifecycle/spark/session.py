"""A Spark session of one's own, for the command line and for tests."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lifecycle.errors import InputError

_SETTINGS: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    # Messages may be large: fewer of them cross to Python at a time.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
}
#: What spark-submit sets for the programs that it starts.
_SUBMITTED: Final = "PYSPARK_GATEWAY_PORT"
_FULL: Final = "No space left on device"
_LONGEST: Final = 300
_LOCAL: Final = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


@contextmanager
def open_session(master: str | None = None, **settings: str) -> Iterator[Any]:
    """Open a session, and stop it in the end; ``settings`` are Spark's own.

    One that is open in this thread is used as it is, and stays open. Without a master it is the
    one that ``spark-submit`` was given, else this machine. Python on the workers is the same
    interpreter, unless PYSPARK_PYTHON names another.

    Raises:
        InputError: There is no Java runtime.
    """
    if (running := SparkSession.getActiveSession()) is not None:
        yield running
        return
    check_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("lifecycle")
    if master is None and _SUBMITTED not in os.environ:
        master = "local[*]"
    if master is not None:
        builder = builder.master(master)
    local = _LOCAL if master is not None and master.startswith("local") else {}
    for name, value in {**_SETTINGS, **local, **settings}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def telling_failures(what: str) -> Iterator[None]:
    """Raise a failure of Spark as an InputError of one sentence; the rest is in Spark's log."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise InputError(
            f"{what}: Spark failed: {_cause(str(error))}; once that is mended, the same command"
            " goes on from the last stage that was written"
        ) from error


def _cause(text: str) -> str:
    """Return the root cause that a failure names, in a line."""
    if _FULL in text:
        return "the disk is full"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    return (causes or lines or ["no reason given"])[-1 if causes else 0][:_LONGEST]


def load_guards(session: Any, modules: Sequence[str]) -> tuple[str, ...]:
    """Import the modules that register guards, and send files of Python to the workers.

    Returns:
        The names of the modules, by which the workers import them.

    Raises:
        InputError: A module cannot be imported.
    """
    names = []
    for module in modules:
        name = module
        if module.endswith(".py"):
            if not Path(module).is_file():
                raise InputError(f"{module}: no such file")
            session.sparkContext.addPyFile(module)
            name = Path(module).stem
        try:
            import_module(name)
        except ImportError as error:
            raise InputError(f"{module}: cannot be imported: {error}") from error
        names.append(name)
    return tuple(names)


def check_java() -> None:
    """Check that there is a Java runtime.

    Raises:
        InputError: There is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = Path(home, "bin", "java").exists() if home else shutil.which("java") is not None
    if not found:
        where = f"JAVA_HOME ({home}) has none" if home else "none is on the PATH"
        raise InputError(f"Spark needs a Java runtime, version 17 or newer, and {where}")
