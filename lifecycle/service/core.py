"""The service: what its calls work with, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lifecycle.domain import Rules
from lifecycle.service.access import Access
from lifecycle.service.auditor import Auditor
from lifecycle.service.bodies import Memory
from lifecycle.service.calls import Call
from lifecycle.service.idempotency import Answers
from lifecycle.service.metrics import Metrics
from lifecycle.service.news import News
from lifecycle.service.purging import Purging
from lifecycle.service.readers import Readers
from lifecycle.service.sessions import Sessions
from lifecycle.service.settings import Settings
from lifecycle.service.subscriptions import Subscriptions
from lifecycle.service.writer import Commit, StoreWriter
from lifecycle.store import LeadReader, LeadStore

#: So many audits may wait for each other.
_AUDITS: Final = 16
#: What senders without a key may fill of the memory for bodies.
_PART: Final = 4
_LOG = logging.getLogger("lifecycle.service")


class Service:
    """One store, served.

    Attributes:
        settings: What it was told.
        calls: What can be asked of it.
        rules: The rules of the store; with others somebody has folded it again.
        writer: The thread that owns the store.
        readers: What reads the store beside it.
        auditing: The one that audits, which may take long.
        access: Who may do what.
        memory: The bytes of bodies in work.
        strangers: Those of senders who have yet to show who they are, by a signature.
        answers: Answers by idempotency key.
        auditor: The last audits.
        subscriptions: What is offered and configured is accepted.
        sessions: Browsers, and the keys that were given in them.
        news: Who waits for changes.
        metrics: Its figures.
        stopping: Set when it begins to stop, so that endless answers end.
    """

    def __init__(self, path: Path, settings: Settings, calls: Sequence[Call]) -> None:
        self.settings = settings
        self.rules = Rules.default()
        self.calls = calls
        self.access = Access(settings)
        self.memory = Memory(settings.memory)
        self.strangers = Memory(settings.memory // _PART)
        self.answers = Answers()
        self.readers = Readers(path, settings.readers, settings.connections)
        self.auditing = Readers(path, 1, _AUDITS)
        self.news = News(self.readers)
        self.auditor = Auditor()
        self.metrics = Metrics(
            depth=lambda: self.writer.depth,
            memory=lambda: self.memory.used + self.strangers.used,
            feeds=lambda: self.news.followers,
        )
        self.writer = StoreWriter(
            lambda: LeadStore(path, on_contact_delete=settings.on_contact_delete),
            queue=settings.queue,
            batch=settings.batch,
            on_commit=self._note,
            purging=Purging() if settings.on_contact_delete == "erase" else None,
        )
        self.sessions = Sessions(self.access.keys)
        self.stopping = asyncio.Event()
        self.subscriptions = Subscriptions(settings.subscriptions, self.stopping)

    async def start(self) -> None:
        """Open the store.

        Raises:
            StoreError: It cannot be opened.
        """
        await self.writer.start()
        self.rules = await self.writer.call(lambda store: store.rules)
        await self.news.start()

    async def stop(self) -> None:
        """Do what was accepted, and close the store."""
        self.stopping.set()
        self.news.stop()
        await self.writer.stop()
        await self.subscriptions.stop()
        self.readers.close()
        self.auditing.close()
        _LOG.info("stopped; the store is closed")

    async def is_ready(self) -> bool:
        """Return whether messages are taken, and the store can be read."""
        if not self.writer.is_running or self.writer.last_error is not None:
            return False
        await self.readers.read(LeadReader.last_change)
        return True

    def _note(self, commit: Commit) -> None:
        self.metrics.count_commit(commit)
        self.news.tell()
