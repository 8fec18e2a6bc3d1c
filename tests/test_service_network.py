"""The network's inbox and tools: pages, replays, the validator, the mock, an agent's operations."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from letters import ADA, lead
from served import problem

from lifecycle import LeadStore, decode, validate
from lifecycle.errors import InputError
from lifecycle.service.problems import ProblemError
from lifecycle.service.pull import Inbox, pull
from lifecycle.service.targets import check_target

SEEDS = Path(__file__).parent / "seeds"


def letters(count, first=1):
    return [
        lead("add", "10:00", keys=str(n), id=f"urn:letter:{n}") for n in range(first, first + count)
    ]


def page_through(served, **how):
    """Read an inbox as the network's clients do: on behind ``next``, until a page is empty."""
    messages, sizes = [], []
    while True:
        page = served.get("/inbox/", **how)
        if not page["contains"]:
            assert "next" not in page
            return messages, sizes
        messages += page["contains"]
        sizes.append(len(page["contains"]))
        how |= {"from": page["next"], "by": "token"}


def test_an_inbox_is_read_page_by_page_in_the_order_of_storing(serve):
    served = serve()
    sent = letters(120)
    served.post("/inbox/", sent[::-1])
    served.post("/inbox/", sent)
    messages, sizes = page_through(served)
    assert messages == sent[::-1]
    assert sizes == [50, 50, 20]
    last = served.get("/inbox/", **{"from": served.get("/inbox/")["next"]})
    served.post("/inbox/", letters(1, first=500))
    more = page_through(served, **{"from": last["next"]})[0]
    assert [one["id"] for one in more][-1] == "urn:letter:500"


def test_a_page_of_large_messages_is_shorter(serve):
    served = serve()
    note = {"note": "x" * 1_000_000}
    sent = [lead("add", "10:00", keys=str(n), snapshot=note, id=f"urn:{n}") for n in range(1, 31)]
    for first in (0, 10, 20):
        served.post("/inbox/", sent[first : first + 10])
    messages, sizes = page_through(served)
    assert [one["id"] for one in messages] == [one["id"] for one in sent]
    assert sizes == [9, 9, 9, 3]
    with answering(lambda *_: (200, {}, b"")) as server:
        assert replayed(served, target=server.url).json()["result"]["sent"] == 30


def test_a_replay_of_too_much_asks_for_less(monkeypatch, path):
    from lifecycle import LeadReader  # noqa: PLC0415
    from lifecycle.service import replaying  # noqa: PLC0415

    with LeadStore(path) as store:
        store.apply_many(letters(5))
    asked = replaying.Asked("http://localhost/", None, None, None, None)
    for name, most in (("_MOST", 4), ("_MOST_BYTES", 1000)):
        monkeypatch.setattr(replaying, name, most)
        with (
            LeadReader(path) as reader,
            reader.snapshot(),
            pytest.raises(ProblemError, match="narrow the dates"),
        ):
            list(replaying._bodies(reader, asked))
        monkeypatch.undo()


def test_a_page_of_links_leads_to_the_same_messages(serve):
    served = serve(url="http://testing.example:80/base/")
    served.post("/inbox/", [*letters(2), lead("add", "10:00", id="https://x.example/a?b=c#d/é")])
    links = served.get("/inbox/", format="links")["contains"]
    base = "http://testing.example:80/base"
    assert links[2] == f"{base}/inbox/https%3A%2F%2Fx.example%2Fa%3Fb%3Dc%23d%2F%C3%A9"
    fetched = [served.get(link.removeprefix(base)) for link in links]
    assert fetched == served.get("/inbox/")["contains"]
    problem(served.client.get("/inbox/urn:nobody"), 404, "unknown_message")


def test_an_inbox_is_read_from_a_time_on(serve, path):
    times = [datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in range(10, 20)]
    moments = iter([at.timestamp() * 1e6 for at in times])
    now = [0]
    with LeadStore(path, clock=lambda: int(now[0]), accept_clock=True) as store:
        for message, now[0] in zip(letters(10), moments, strict=True):
            store.apply(message)
    served = serve(path)

    def first(**how):
        found = served.get("/inbox/", **how)["contains"]
        return found[0]["id"] if found else None

    for number, at in enumerate(times, 1):
        millis = int(at.timestamp() * 1000)
        assert first(**{"from": str(millis), "by": "timestamp"}) == f"urn:letter:{number}"
        assert first(**{"from": at.isoformat(), "by": "datetime"}) == f"urn:letter:{number}"
    assert first(**{"from": "2026-03-02T09:00:00Z", "by": "timestamp"}) == "urn:letter:1"
    assert first(**{"from": "2026-03-02T19:00:00.000001Z", "by": "datetime"}) is None


def test_a_bad_token_and_a_bad_time_are_problems(serve):
    served = serve()
    for token in (
        "x",
        "c2VxOi0x",
        "c2VxOjEg",
        "!",
        "c2VxOjE=",
        "é",
    ):
        problem(served.client.get("/inbox/", params={"from": token}), 400, "bad_query")
    for by in ("timestamp", "datetime"):
        for moment in ("yesterday", "", "-1", "1" * 30, "2026-13-01T00:00:00Z"):
            answer = served.client.get("/inbox/", params={"from": moment, "by": by})
            assert answer.status_code in ((200, 400) if moment == "1" * 30 else (400,)), moment


def test_messages_come_out_of_the_envelopes_they_arrived_in(serve):
    served = serve()
    (message,) = letters(1)
    event = {"specversion": "1.0", "id": "1", "source": "/", "type": "x", "data": message}
    headers = {"content-type": "application/cloudevents+json"}
    served.client.post("/inbox/", content=json.dumps(event), headers=headers)
    assert served.get("/inbox/")["contains"] == [message]
    assert served.get("/inbox/urn:letter:1") == message


def test_what_was_erased_is_in_no_inbox(serve, path):
    with LeadStore(path) as store:
        contact = {"crm": "77"}
        erased = [
            lead("add", "10:00", keys=str(n), contact=contact, id=f"urn:letter:{n}")
            for n in range(1, 61)
        ]
        store.apply_many([*erased, *letters(60, first=61)])
        store.erase("contact:crm:77", all_of_them=True)
    served = serve(path)
    messages, sizes = page_through(served)
    assert [one["id"] for one in messages] == [f"urn:letter:{n}" for n in range(61, 121)]
    assert sizes == [50, 10]
    assert served.get("/inbox/", format="links")["contains"][0].endswith("urn%3Aletter%3A61")
    problem(served.client.get("/inbox/urn:letter:1"), 404, "unknown_message")


class Answering(ThreadingHTTPServer):
    """An HTTP server of somebody else, that answers as a test says."""

    daemon_threads = True

    def __init__(self, answers):
        self.requests = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                size = int(self.headers.get("content-length", 0))
                served.requests.append((self.path, dict(self.headers), self.rfile.read(size)))
                status, headers, body = answers(self.path, len(served.requests))
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - as http.server calls it

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def answering(answers):
    with Answering(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def replayed(served, **request):
    return served.post("/api/replay", {"type": "ReplayRequestAction"} | request)


def test_stored_messages_are_posted_to_the_target_again(serve):
    served = serve()
    other = served.post("/inbox/", [*letters(3), lead("accept", "10:05", agent=ADA, id="urn:a")])
    assert other.status_code == 201
    with answering(lambda *_: (201, {}, b"thanks")) as server:
        target = f"{server.url}/inbox/"
        told = replayed(served, target=target).json()
        assert told["actionStatus"] == "CompletedActionStatus"
        assert told["result"] == {"sent": 4, "found": 4}
        assert told["object"]["target"] == target
        assert [path for path, *_ in server.requests] == ["/inbox/"] * 4
        bodies = [json.loads(body) for *_, body in server.requests]
        assert bodies == served.get("/inbox/")["contains"]
        server.requests.clear()
        replayed(served, target=target, items=["urn:letter:2", "urn:gone"])
        replayed(served, target=target, filter="realestate/lead#accept")
        replayed(served, target=target, filter={"topic": ["lead#accept"]}, items=["urn:letter:1"])
        replayed(served, target=target, startDate="2100-01-01T00:00:00Z")
        replayed(served, target=target, endDate="2020-01-01T00:00:00Z")
        replayed(served, target=target, items=[])
        assert [json.loads(body)["id"] for *_, body in server.requests] == ["urn:letter:2", "urn:a"]


def test_a_replay_ends_where_a_message_is_not_taken(serve):
    served = serve()
    served.post("/inbox/", letters(5))
    with answering(lambda _, number: (500 if number == 3 else 200, {}, b"")) as server:
        told = replayed(served, target=f"{server.url}/").json()
    assert told["actionStatus"] == "FailedActionStatus"
    assert told["result"] == {"sent": 2, "found": 5}
    assert told["error"] == "the target answered 500"
    with answering(lambda *_: (302, {"location": "http://169.254.169.254/"}, b"")) as server:
        told = replayed(served, target=f"{server.url}/").json()
        assert (told["result"]["sent"], len(server.requests)) == (0, 1)
    told = replayed(served, target="http://127.0.0.1:1/").json()
    assert told["error"] == "the target could not be reached: ConnectError"


@pytest.mark.parametrize(
    "target",
    [
        "http://example.com/",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "http://example.com#@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0.0.0.0/",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost.:80/",
        "http://①②⑦.0.0.1/",
        "//127.0.0.1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:80:80/",
        "http://[::1/",
        "http://127.0.0.1/\r\nX: y",
        "http:///x",
        "",
    ],
)
def test_nothing_is_posted_to_an_address_that_is_not_allowed(target):
    with pytest.raises(ProblemError) as error:
        check_target(target, ())
    assert error.value.code in {"bad_body", "target_not_allowed"}


def test_targets_of_the_settings_take_the_place_of_loopback():
    allowed = ["https://hub.example.com/inbox", "http://10.0.0.5:8080"]
    for target in (
        "https://hub.example.com/inbox",
        "https://hub.example.com:443/inbox/",
        "https://HUB.example.com/inbox/a?b=c",
        "http://10.0.0.5:8080/any",
    ):
        assert check_target(target, allowed) == target
    for target in (
        "https://hub.example.com/inbox2",
        "https://hub.example.com/",
        "http://hub.example.com/inbox",
        "https://hub.example.com:8443/inbox",
        "https://hub.example.com/inbox/../admin",
        "https://hub.example.com/inbox/%2e%2e/admin",
        "https://hub.example.com/inbox/..",
        "https://a@hub.example.com/inbox",
        "http://10.0.0.5/any",
        "http://127.0.0.1/",
    ):
        with pytest.raises(ProblemError):
            check_target(target, allowed)
    assert check_target("http://[::1]:8470/inbox/", ())


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "Other"},
        {"target": 7},
        {"items": "urn:a"},
        {"items": [1]},
        {"filter": 7},
        {"startDate": "soon"},
        {"endDate": 7},
        {"startDate": "2026-03-02T00:00:00Z", "endDate": "2026-03-01T00:00:00Z"},
        {"more": 1},
    ],
)
def test_a_replay_request_that_is_not_understood_posts_nothing(serve, request_):
    served = serve()
    served.post("/inbox/", letters(1))
    with answering(lambda *_: (200, {}, b"")) as server:
        answer = replayed(served, **({"target": server.url} | request_))
        problem(answer, 400, "bad_body")
        assert server.requests == []
    problem(served.post("/api/replay", b"[]"), 400, "bad_body")
    problem(served.post("/api/replay", b"{"), 400, "bad_body")


def test_a_replay_to_an_address_elsewhere_is_refused_over_http(serve):
    served = serve()
    problem(replayed(served, target="http://example.com/"), 403, "target_not_allowed")


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("00[0-4]_*.json")), ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "wrap", [lambda one: one, lambda one: {"object": one}], ids=["bare", "object"]
)
def test_a_message_is_checked_as_the_networks_validator_does(shared, seed, wrap):
    message = json.loads(seed.read_text("utf-8"))
    told = shared.post("/api/schema/validate", wrap(message)).json()
    found = validate(message)
    assert told["isValid"] == (not found)
    assert told["object"] == message
    assert told["schemaName"].startswith(("lead#", "contact#"))
    assert len(told.get("error", {}).get("items", [])) == len(found)


def test_what_is_no_message_is_not_valid(shared):
    for body in (b"{", b"[]", b"7", b"{}", b'{"topic": "lead#ad", "data": {}}', b"\xff"):
        answer = shared.post("/api/schema/validate", body)
        assert answer.status_code == 200
        told = answer.json()
        assert told == [] or (told["isValid"], told["error"]["items"] != []) == (False, True)
    two = shared.post("/api/schema/validate", letters(2)).json()
    assert [one["isValid"] for one in two] == [True, True]


def test_a_message_is_made_up(serve):
    served = serve()
    for topic in (
        "lead%23accept",
        "realestate/lead%23accept",
        "LEAD%23asssign",
        "contact%23delete",
    ):
        made = served.get(f"/api/schema/mock/{topic}")
        assert validate(made) == ()
    minimal = served.get("/api/schema/mock/lead%23accept?requiredOnly&sortProperties=true")
    assert len(json.dumps(minimal)) < 400
    assert list(minimal) == sorted(minimal)
    assert decode(minimal).trigger == "accept"
    one, other = (
        served.client.get("/api/schema/mock/lead%23add?randomOptionals&seed=7").text for _ in "ab"
    )
    assert one == other
    assert one != served.client.get("/api/schema/mock/lead%23add?randomOptionals&seed=8").text
    problem(served.client.get("/api/schema/mock/lead%23explode"), 404, "not_found")


def operate(served, medium, number, name, **more):
    answer = served.post(f"/api/v2/me/{medium}/{number}", {"operationName": name} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_agents_operations_move_a_lead(serve):
    served = serve()
    assert operate(served, "emails", "0071023821aec011", "Reject", user="ada") == {"statusCode": 0}
    rejected = served.get("/leads/genesysInteractionId:0071023821aec011")
    assert rejected["state"] == "rejected"
    assert operate(served, "emails", "0071023821aec011", "reject", user="ada") == {"statusCode": 0}
    rows = served.get("/leads/genesysInteractionId:0071023821aec011/history")["history"]
    assert [row["to"] for row in rows] == ["rejected"]
    told = operate(served, "emails", "0071023821aec011", "Accept")
    assert told["statusCode"] == 2
    assert "rejected" in told["statusMessage"]
    handed = {"targetUserUri": "http://x/api/v2/users/bob"}
    assert operate(served, "chats", "c1", "Accept", user="ada") == {"statusCode": 0}
    assert operate(served, "chats", "c1", "Transfer", **handed) == {"statusCode": 0}
    assert served.get("/leads/genesysInteractionId:c1")["holder"] == "genesysagentid:bob"
    assert (
        operate(served, "workitems", "w1", "Accept", time="1999-01-01", id="c1")["statusCode"] == 0
    )
    assert served.get("/leads/genesysInteractionId:w1")["state"] == "accepted"
    history = served.get("/leads/genesysInteractionId:w1/history")["history"]
    assert not history[0]["at"].startswith("1999")


def test_an_operation_that_is_none_is_a_problem(serve):
    served = serve()
    for body in (b"{", b"[]", b"{}", b'{"operationName": 7}', b'{"operationName": " "}'):
        problem(served.post("/api/v2/me/emails/1", body), 400, "bad_body")
    problem(served.post("/api/v2/me/calls/1", {"operationName": "Accept"}), 404, "not_found")
    key = {"Idempotency-Key": "1"}
    body = {"operationName": "Accept"}
    for _ in range(2):
        assert served.post("/api/v2/me/emails/1", body, headers=key).json() == {"statusCode": 0}
    assert served.get("/leads/genesysInteractionId:1")["events"] == 1


def pulled(lifecycle, database, url, *options):
    done = lifecycle("pull", database, url, "--json", *options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", [[], ["--links"]], ids=["full", "links"])
def test_an_inbox_is_pulled_into_a_store_and_on_from_there(serve, lifecycle, tmp_path, options):
    served = serve()
    served.post("/inbox/", letters(120))
    copy = tmp_path / "copy.db"
    first = pulled(lifecycle, copy, f"{served.url}/inbox/", *options)
    assert first == {"pages": 3, "messages": 120, "applied": 120}
    served.post("/inbox/", letters(40, first=121))
    second = pulled(lifecycle, copy, f"{served.url}/inbox/", *options)
    assert second == {"pages": 2, "messages": 60, "duplicate": 20, "applied": 40}
    third = pulled(lifecycle, copy, f"{served.url}/inbox/", *options)
    assert third["messages"] == third["duplicate"] == 10
    served.terminate()
    with LeadStore(copy) as one, LeadStore(served.database) as other:
        assert one.digest() == other.digest()
        assert one.verify().defects == ()
        (message,) = one.messages("crmleadid:1")
        assert message.log == f"{served.url}/inbox/"
    done = lifecycle("pull", tmp_path / "words.db", "nonsense")
    assert (done.exit_code, "expected the address of an inbox" in done.stderr) == (3, True)


def page(messages, following=None):
    value = {"contains": messages} | ({"next": following} if following else {})
    return json.dumps(value).encode()


def test_a_busy_inbox_is_asked_again_later(store):
    def answers(path, number):
        if number in {1, 2}:
            return 503, {"retry-after": "7"}, b""
        if "from=" in path:
            return (429, {}, b"") if number == 4 else (200, {}, page([]))
        return 200, {}, page(letters(2), "a b")

    waits = []
    with answering(answers) as server:
        inbox = Inbox(f"{server.url}/in?x=1", headers={"x-api-key": "k"}, wait=waits.append)
        told = [one.as_dict() for one in pull(store, inbox)]
        inbox.close()
    assert told[-1] == {"pages": 1, "messages": 2, "applied": 2}
    assert waits[:2] == [7.0, 7.0]
    assert 0.4 < waits[2] < 16
    assert server.requests[-1][0] == "/in?x=1&from=a+b&by=token"
    assert server.requests[-1][1]["x-api-key"] == "k"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((503, {}, b""), "it answered 503, 7 times"),
        ((403, {}, b""), "it answered 403"),
        ((302, {"location": "/other"}, b""), "it answered 302"),
        ((200, {}, b"<html>"), "expected a page of an inbox"),
        ((200, {}, b"[]"), "expected a page with"),
        ((200, {}, b'{"contains": {}}'), "expected a page with"),
        ((200, {}, page([], "x" * 5000)), "expected a token"),
        ((200, {}, page(["http://169.254.169.254/"])), "leads elsewhere"),
        ((200, {}, page(["//example.com/x"])), "leads elsewhere"),
        ((200, {}, page(["file:///etc/passwd"])), "leads elsewhere"),
    ],
)
def test_an_inbox_that_misbehaves_is_one_sentence(store, answer, said):
    with answering(lambda *_: answer) as server:
        inbox = Inbox(server.url, headers={}, wait=lambda _: None)
        with pytest.raises(InputError, match=said):
            list(pull(store, inbox))
        inbox.close()
    assert store.lead_count() == 0


def test_an_inbox_that_is_gone_is_one_sentence(store):
    inbox = Inbox("http://127.0.0.1:1/", headers={}, wait=lambda _: None)
    with pytest.raises(InputError, match="cannot be reached: ConnectError, 7 times"):
        list(pull(store, inbox))
    inbox.close()


def test_a_message_that_cannot_be_decoded_or_is_gone_does_not_stand_in_the_way(store):
    bad = b'{"contains": [{"topic": "lead#add", "data": 100000000000000000000}, "/gone"'
    good = json.dumps(letters(1)[0]).encode()

    def answers(path, _):
        if path == "/gone":
            return 410, {}, b""
        if path == "/good":
            return 200, {}, good
        return 200, {}, page([], None) if "from" in path else bad + b', "good"], "next": "n"}'

    with answering(answers) as server:
        inbox = Inbox(f"{server.url}/", headers={}, wait=lambda _: None)
        told = [one.as_dict() for one in pull(store, inbox)]
        inbox.close()
    assert told == [{"pages": 1, "messages": 2, "quarantined": 1, "applied": 1}]


def test_a_key_is_needed_to_pull_where_there_are_keys(serve, lifecycle, tmp_path, monkeypatch):
    keys = tmp_path / "keys.toml"
    secret = lifecycle("serve", "keys", "add", keys, "sync", "--scope", "read").stdout.strip()
    served = serve(keys=str(keys))
    url = f"{served.url}/inbox/"
    done = lifecycle("pull", tmp_path / "copy.db", url)
    assert (done.exit_code, "it answered 401" in done.stderr) == (3, True)
    monkeypatch.setenv("LIFECYCLE_PULL_KEY", secret)
    done = lifecycle("pull", tmp_path / "copy.db", url)
    assert (done.exit_code, done.stdout) == (0, "0 messages on 0 pages\n")
    assert httpx.get(url, headers={"x-api-key": secret}).json() == {"contains": []}
