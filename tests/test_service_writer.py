"""The thread that owns the store: what shares a commit, and what fails alone."""

import asyncio
import threading

import pytest
from letters import lead
from worlds import NOW

from lifecycle import Identity, LeadStore, StoreError
from lifecycle.service.posting import items_of
from lifecycle.service.writer import QueueFullError, StoppedError, StoreWriter


def items(number):
    import json  # noqa: PLC0415

    return items_of(json.dumps(lead("add", "10:00", keys=str(number))).encode(), Identity(), 100)


def run(path, work, **how):
    """Do something with a writer, in a loop of its own."""

    async def main():
        commits = []
        settings = {"queue": 1000, "batch": 100} | how
        writer = StoreWriter(
            lambda: LeadStore(path, clock=lambda: NOW), on_commit=commits.append, **settings
        )
        await writer.start()
        try:
            return await work(writer, commits)
        finally:
            await writer.stop()

    return asyncio.run(main())


@pytest.fixture
def held():
    """Hold the writer's thread up, until it is let go."""
    let_go = threading.Event()
    yield (lambda _: let_go.wait(20)), let_go
    let_go.set()


def test_what_waited_shares_one_commit_and_a_call_has_its_own(path, held):
    wait, let_go = held

    async def work(writer, commits):
        first = asyncio.ensure_future(writer.call(wait))
        await asyncio.sleep(0.05)
        waiting = [asyncio.ensure_future(writer.take(items(n))) for n in range(1, 11)]
        counted = asyncio.ensure_future(writer.call(LeadStore.lead_count))
        more = [asyncio.ensure_future(writer.take(items(n))) for n in range(11, 14)]
        await asyncio.sleep(0)
        depth = writer.depth
        let_go.set()
        await asyncio.gather(first, *waiting, *more)
        assert [one.result()[0].lead_id for one in waiting] == [
            f"crmleadid:{n}" for n in range(1, 11)
        ]
        return depth, await counted, [(one.requests, len(one.outcomes)) for one in commits]

    assert run(path, work) == (14, 10, [(10, 10), (3, 3)])


def test_a_commit_has_no_more_messages_than_a_batch(path, held):
    wait, let_go = held

    async def work(writer, commits):
        first = asyncio.ensure_future(writer.call(wait))
        await asyncio.sleep(0.05)
        some = [items(n) for n in range(1, 8)] + [[*items(20), *items(21), *items(22), *items(23)]]
        waiting = [asyncio.ensure_future(writer.take(one)) for one in some]
        await asyncio.sleep(0)
        let_go.set()
        await asyncio.gather(first, *waiting)
        return [len(one.outcomes) for one in commits]

    assert run(path, work, batch=3) == [3, 3, 1, 4]


def test_a_request_that_fails_for_its_own_reasons_fails_alone(path, held):
    wait, let_go = held

    async def work(writer, _):
        first = asyncio.ensure_future(writer.call(wait))
        await asyncio.sleep(0.05)
        waiting = [
            asyncio.ensure_future(writer.take(one)) for one in (items(1), ["no item"], items(2))
        ]
        await asyncio.sleep(0)
        let_go.set()
        await first
        return await asyncio.gather(*waiting, return_exceptions=True)

    before, failed, after = run(path, work)
    assert (before[0].kind, after[0].kind) == ("applied", "applied")
    assert isinstance(failed, Exception)
    assert not isinstance(failed, StoreError)


def test_a_full_queue_and_a_writer_that_stopped_take_nothing(path, held):
    wait, let_go = held

    async def work(writer, _):
        first = asyncio.ensure_future(writer.call(wait))
        await asyncio.sleep(0.05)
        # One that is larger than the queue goes in where nothing waits.
        large = asyncio.ensure_future(writer.take([*items(1), *items(2), *items(3)]))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await writer.take(items(4))
        let_go.set()
        await asyncio.gather(first, large)
        await writer.stop()
        assert not writer.is_running
        with pytest.raises(StoppedError):
            await writer.take(items(5))
        return len(large.result())

    assert run(path, work, queue=2) == 3


def test_who_went_away_is_not_told_and_what_he_sent_is_kept(path, held):
    wait, let_go = held

    async def work(writer, _):
        first = asyncio.ensure_future(writer.call(wait))
        await asyncio.sleep(0.05)
        gone = asyncio.ensure_future(writer.take(items(1)))
        stays = asyncio.ensure_future(writer.take(items(2)))
        await asyncio.sleep(0)
        gone.cancel()
        let_go.set()
        await first
        await stays
        return await writer.call(LeadStore.lead_count)

    assert run(path, work) == 2


def test_a_store_that_cannot_be_opened_is_an_error_at_the_start(tmp_path):
    (tmp_path / "text.db").write_text("nonsense" * 1000)

    async def work(*_):
        raise AssertionError

    with pytest.raises(StoreError):
        run(tmp_path / "text.db", work)
