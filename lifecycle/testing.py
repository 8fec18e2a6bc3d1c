"""Fixtures for the tests of your own code: ``pytest_plugins = ["lifecycle.testing"]``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lifecycle.messages import Moment, as_micros
from lifecycle.store import LeadStore, system_clock

__all__ = ["TestClock", "lead_clock", "lead_store"]


class TestClock:
    """A clock that stands still until a test moves it; it begins at the time of the test."""

    __test__ = False

    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> int:
        """Return the time, in microseconds since 1970-01-01 in UTC."""
        return self.now

    def move_to(self, moment: Moment) -> None:
        """Let it be this moment: an RFC 3339 text, an aware datetime, or microseconds since 1970.

        Raises:
            ArgumentError: It cannot be understood.
        """
        self.now = as_micros(moment)


@pytest.fixture
def lead_clock() -> TestClock:
    """Return the clock of ``lead_store``."""
    return TestClock()


@pytest.fixture
def lead_store(lead_clock: TestClock) -> Iterator[LeadStore]:
    """Yield an empty store in memory with the default rules; it is closed after the test."""
    with LeadStore(":memory:", clock=lead_clock, accept_clock=True) as store:
        yield store
