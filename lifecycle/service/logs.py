"""The service's log: JSON lines, with nothing of a message but its id."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_FRAMES: Final = 8


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON.

    Of an error that nobody foresaw it says the type and the place: its text may be a message's.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        request = getattr(record, "request", None)
        line |= {"message": record.getMessage()} if request is None else request
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-_FRAMES:]
            line["at"] = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
        # All that is not ASCII is escaped: no terminal obeys what stands in an id.
        return json.dumps(line).replace("\x7f", "\\u007f")


def configure(*, access: bool) -> None:
    """Write what happens on standard error, and each request if asked to."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("lifecycle", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO if name == "lifecycle" else logging.WARNING)
    if not access:
        logging.getLogger("lifecycle.service.access").setLevel(logging.WARNING)
