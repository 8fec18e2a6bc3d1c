"""A Spark session of one's own, for the command line and for tests."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pyspark.sql import SparkSession

from lifecycle.errors import InputError

_SETTINGS: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    # Messages may be large: fewer of them cross to Python at a time.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
}
_LOCAL: Final = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


@contextmanager
def open_session(master: str | None = None, **settings: str) -> Iterator[Any]:
    """Open a session, and stop it in the end; ``settings`` are Spark's own.

    Without a master it is the one that ``spark-submit`` or Spark's configuration names, else this
    machine. Python on the workers is the same interpreter, unless PYSPARK_PYTHON names another.

    Raises:
        InputError: There is no Java runtime.
    """
    _check_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("lifecycle")
    if master is not None:
        builder = builder.master(master)
    local = _LOCAL if master is None or master.startswith("local") else {}
    for name, value in {**_SETTINGS, **local, **settings}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    found = Path(home, "bin", "java").exists() if home else shutil.which("java") is not None
    if not found:
        where = f"JAVA_HOME ({home}) has none" if home else "none is on the PATH"
        raise InputError(f"Spark needs a Java runtime, version 17 or newer, and {where}")
