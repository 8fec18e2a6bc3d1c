"""Replay: logs into a store, with cursors and progress."""

from lifecycle.replay.decoder import seldom_collect
from lifecycle.replay.log import STANDARD_INPUT, DamagedLogError, Log, check_log
from lifecycle.replay.replay import BATCH, Progress, Summary, replay
from lifecycle.replay.texts import Text

__all__ = [
    "BATCH",
    "STANDARD_INPUT",
    "DamagedLogError",
    "Log",
    "Progress",
    "Summary",
    "Text",
    "check_log",
    "replay",
    "seldom_collect",
]
