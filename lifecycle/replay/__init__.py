"""Replay: logs into a store, with cursors and progress."""

from lifecycle.replay.decoder import seldom_collect
from lifecycle.replay.log import STANDARD_INPUT, DamagedLogError, Line, Log, check_readable
from lifecycle.replay.replay import BATCH, Progress, Summary, replay

__all__ = [
    "BATCH",
    "STANDARD_INPUT",
    "DamagedLogError",
    "Line",
    "Log",
    "Progress",
    "Summary",
    "check_readable",
    "replay",
    "seldom_collect",
]
