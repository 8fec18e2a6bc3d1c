"""Replay: logs into a store, with cursors and progress."""

from lifecycle.replay.log import Line, Log
from lifecycle.replay.replay import BATCH, Progress, Summary, replay

__all__ = ["BATCH", "Line", "Log", "Progress", "Summary", "replay"]
