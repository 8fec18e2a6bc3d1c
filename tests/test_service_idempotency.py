"""Answers by idempotency key: the same again, bounded in number, in bytes and in time."""

import asyncio

import pytest
from starlette.responses import Response

from lifecycle.service import idempotency
from lifecycle.service.idempotency import Answers
from lifecycle.service.problems import ProblemError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def ask(answers, key, body=b"", answer="", who="crm"):
    async def work():
        return Response(answer)

    return asyncio.run(answers.once(who, key, body, work)).body.decode()


def test_the_same_request_again_gives_the_same_answer_for_a_day():
    clock = Clock()
    answers = Answers(clock)
    assert ask(answers, "k", answer="first") == "first"
    assert ask(answers, "k", answer="second") == "first"
    assert ask(answers, "k", answer="another's", who="other") == "another's"
    with pytest.raises(ProblemError) as error:
        ask(answers, "k", body=b"other")
    assert error.value.code == "key_reused"
    clock.now = 24 * 60 * 60
    assert ask(answers, "k", answer="third") == "third"


def test_a_request_in_work_is_said_to_be_and_one_that_fails_is_forgotten():
    answers = Answers()

    async def main():
        let_go = asyncio.Event()

        async def slow():
            await let_go.wait()
            return Response("done")

        async def fails():
            raise ValueError

        first = asyncio.create_task(answers.once("crm", "k", b"", slow))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError) as error:
            await answers.once("crm", "k", b"", slow)
        let_go.set()
        with pytest.raises(ValueError, match=r"^$"):
            await answers.once("crm", "f", b"", fails)
        assert (await answers.once("crm", "f", b"", slow)).body == b"done"
        return error.value.code, (await first).body

    assert asyncio.run(main()) == ("key_in_use", b"done")


def test_answers_are_kept_up_to_a_number_and_up_to_so_many_bytes(monkeypatch):
    monkeypatch.setattr(idempotency, "_KEPT", 3)
    answers = Answers()
    for number in range(4):
        ask(answers, f"k{number}", answer=f"{number}")
    assert ask(answers, "k3", answer="again") == "3"
    assert ask(answers, "k0", answer="again") == "again"
    monkeypatch.setattr(idempotency, "_KEPT_BYTES", 1000)
    answers = Answers()
    ask(answers, "large", answer="x" * 2000)
    ask(answers, "small", answer="y")
    assert ask(answers, "small", answer="again") == "y"
    assert ask(answers, "large", answer="again") == "again"
