"""Attacks on the service, beside what the tests of each call try."""

import asyncio
import base64
import gzip
import hmac
import json
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from docs_support import ROOT
from letters import ADA, lead
from served import JSON, problem, until
from starlette.responses import Response
from test_service_hooks import WHSEC, hubspot, network, standard, stripe
from test_service_network import answering

from lifecycle import LeadStore
from lifecycle.errors import InputError
from lifecycle.service import Settings, idempotency, reading
from lifecycle.service.idempotency import Answers
from lifecycle.service.problems import ProblemError
from lifecycle.service.protocol import limited
from lifecycle.service.pull import Inbox
from lifecycle.service.readers import Readers

HEAD = b"POST /inbox/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SECURITY = (ROOT / "docs" / "serve-security.md").read_text("utf-8")


def said(served, raw):
    """Send some bytes; return what is answered until it ends, or a moment has passed."""
    with served.connect() as link:
        link.settimeout(0.5)
        link.sendall(raw)
        parts = []
        try:
            while part := link.recv(65536):
                parts.append(part)
        except (TimeoutError, ConnectionResetError):
            pass
        return b"".join(parts)


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}",
        b"Content-Length: +2\r\n\r\n{}",
        b"Content-Length : 2\r\n\r\n{}",
        b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"X: y\nContent-Length: 2\r\n\r\n{}",
        b"X: y\r\n folded\r\nContent-Length: 2\r\n\r\n{}",
        b"X: y\rz\r\nContent-Length: 2\r\n\r\n{}",
        b"X\0: y\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_a_request_that_two_servers_may_read_differently_is_refused(shared, rest):
    answer = said(shared, HEAD + rest)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT 10.0.0.1:80 HTTP/1.1",
        b"TRACE /livez HTTP/1.1",
        b"GET /livez HTTP/9.9",
        b"GET /\xff\xfe HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"OPTIONS * HTTP/1.1",
    ],
)
def test_a_line_that_asks_for_nothing_of_ours_is_refused(shared, line):
    answer = said(shared, line + b"\r\nHost: localhost\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ", b"HTTP/1.1 405 "))


def test_another_protocol_is_not_begun(shared):
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    answer = said(shared, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"websocket" not in answer.lower()


def test_a_request_has_one_host_and_an_address_in_its_line_is_none(serve, tmp_path, lifecycle):
    served = serve()
    two = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert b"bad_host" in said(served, two)
    other = b"GET http://localhost/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    assert b"bad_host" in said(served, other)
    keys = tmp_path / "keys.toml"
    lifecycle("serve", "keys", "add", keys, "any", "--scope", "read")
    assert b"bad_host" in said(serve(tmp_path / "other.db", keys=str(keys)), two)


def test_headers_behind_a_body_have_an_end(serve):
    served = serve(header_limit=4000)
    with served.connect() as link, pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012
        link.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
        for number in range(100_000):
            link.sendall(b"X-%d: %b\r\n" % (number, b"x" * 1000))
    assert served.client.get("/livez").status_code == 200
    few = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n"
    assert said(served, few).startswith(b"HTTP/1.1 201 ")


def test_who_does_not_take_an_answer_is_cut_off(serve):
    served = serve(body_seconds=0.3)
    note = {"note": "x" * 900_000}
    served.post("/inbox/", [lead("add", "10:00", keys=str(n), snapshot=note) for n in range(1, 9)])
    with served.connect() as idle:
        idle.setsockopt(1, 8, 4096)
        idle.sendall(b"GET /inbox/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: len(served.connections) == 2)
        # Only that of the client that posted is left.
        until(lambda: len(served.connections) == 1)


def test_who_takes_an_answer_slowly_is_not_cut_off():
    waiting, done = [1_000_000], []
    protocol = object.__new__(limited(Settings(body_seconds=7.0)))
    protocol.transport = SimpleNamespace(
        get_write_buffer_size=lambda: waiting[0], abort=lambda: done.append("cut off")
    )
    protocol.loop = SimpleNamespace(
        call_later=lambda seconds, work, *given: done.append(seconds) or (work, given)
    )
    protocol._watch()
    for taken in (32 * 1024, 100_000, 32 * 1024 - 1):
        waiting[0] -= taken
        work, given = protocol._taking
        work(*given)
    assert done == [7.0, 7.0, 7.0, "cut off"]


def test_many_requests_sent_at_once_wait_for_each_other(shared):
    one = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert said(shared, one * 99 + last).count(b'{"status":"alive"}') == 100


def test_many_small_messages_do_not_keep_others_waiting(serve, monkeypatch):
    used = []
    real = asyncio.to_thread

    async def in_a_thread(work, *arguments):
        used.append(work)
        return await real(work, *arguments)

    monkeypatch.setattr("asyncio.to_thread", in_a_thread)
    served = serve()
    served.post("/inbox/", lead("add", "10:00"))
    assert used == []
    assert served.post("/inbox/", b"[" + b"1," * 2000 + b"1]").status_code == 201
    assert [one.__name__ for one in used] == ["items_of"]


def test_deep_json_does_no_harm(serve):
    served = serve(hooks={"crm": {"scheme": "network", "source": "hubspot", "secrets": ["x"]}})
    for deep in (b"[" * 500_000, b'{"a":' * 100_000, b"[" * 65 + b"]" * 65):
        assert served.post("/inbox/", deep).json()["outcome"] == "quarantined"
        assert served.post("/api/schema/validate", deep).json()["isValid"] is False
        problem(served.post("/api/replay", deep), 400, "bad_body")
        problem(served.post("/api/v2/me/emails/1", deep), 400, "bad_body")
        signed = {"X-Signature": f"sha1={hmac.new(b'x', deep, 'sha1').hexdigest()}"}
        kept = served.client.post("/hooks/crm", content=deep, headers=signed).json()["outcomes"]
        assert [one["outcome"] for one in kept] == ["quarantined"]


def test_a_form_is_small_where_nobody_has_said_who_he_is(serve, tmp_path, lifecycle):
    keys = tmp_path / "keys.toml"
    lifecycle("serve", "keys", "add", keys, "any", "--scope", "read")
    served = serve(keys=str(keys))
    form = {"content-type": "application/x-www-form-urlencoded"}
    for path in ("/ui/login", "/ui/logout"):
        answer = served.client.post(path, content=b"token=" + b"%41" * 5000, headers=form)
        assert answer.status_code == 413
    many = b"&".join(b"a=1" for _ in range(50))
    assert served.client.post("/ui/login", content=many, headers=form).status_code == 400


def test_senders_without_a_signature_leave_room_for_those_with_a_key(serve):
    hook = {"scheme": "network", "secrets": ["x"]}
    served = serve(hooks={"crm": hook}, memory=4000, body_limit=4000)
    head = b"POST /hooks/crm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n"
    with served.connect() as slow:
        slow.sendall(head + b" " * 900)
        until(lambda: "lifecycle_body_bytes 900.0" in served.client.get("/metrics").text)
        problem(served.client.post("/hooks/crm", content=b" " * 900), 503, "too_busy")
        body = json.dumps(lead("add", "10:00")).encode()
        assert served.post("/inbox/", body.ljust(3000)).status_code == 201


# --- the same again -------------------------------------------------------------------------------

_STATES = ({"state": "Processing"}, {"state": "Completed"})


@pytest.mark.parametrize("scheme", ["network", "standard", "hubspot", "stripe"])
def test_a_notification_without_a_time_that_is_replayed_changes_nothing(serve, scheme):
    sign = {"network": network, "standard": standard, "hubspot": hubspot, "stripe": stripe}[scheme]
    secrets = WHSEC if scheme == "standard" else ["the-new-secret"]
    served = serve(hooks={"cc": {"scheme": scheme, "source": "genesys", "secrets": secrets}})
    deliveries = []
    for number, state in enumerate(_STATES):
        told = {"messageType": "EmailStateChangeMessage", "email": {"id": "e1", **state}}
        body = json.dumps({"notificationType": "StatusChange", **told}).encode()
        headers = sign(body, url=f"{served.url}/hooks/cc", age=10 - number)
        deliveries.append((body, headers))
    answers = [
        served.client.post("/hooks/cc", content=body, headers=headers)
        for body, headers in [*deliveries, *deliveries]
    ]
    assert [one.status_code for one in answers] == [201] * 4
    assert served.get("/leads/genesysInteractionId:e1")["events"] == 2


def test_a_key_of_one_request_is_none_of_another(serve):
    served = serve()
    key = {"Idempotency-Key": "k"}
    body = {"operationName": "Accept", "user": "ada"}
    assert served.post("/api/v2/me/emails/1", body, headers=key).json() == {"statusCode": 0}
    problem(served.post("/api/v2/me/emails/2", body, headers=key), 422, "key_reused")
    event = {"ce-specversion": "1.0", "ce-source": "/", "ce-type": "realestate/lead#add", **JSON}
    data, key = lead("add", "10:00")["data"], {"Idempotency-Key": "c"}
    for number, status in ((1, 201), (1, 201), (2, 422)):
        headers = event | key | {"ce-id": f"{number}", "ce-time": "2026-03-01T10:00:00Z"}
        assert served.client.post("/inbox/", json=data, headers=headers).status_code == status


def test_answers_that_are_forgotten_in_work_are_not_counted(monkeypatch):
    monkeypatch.setattr(idempotency, "_KEPT", 2)
    monkeypatch.setattr(idempotency, "_KEPT_BYTES", 100)
    answers = Answers()

    async def main():
        let_go = asyncio.Event()

        async def slow():
            await let_go.wait()
            return Response("x" * 99)

        tasks = [asyncio.create_task(answers.once("a", f"{n}", b"", slow)) for n in range(5)]
        await asyncio.sleep(0.01)
        let_go.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert answers._bytes == 99 * len(answers._known) <= 200


def test_a_feed_ends_when_its_key_is_revoked(serve, tmp_path, lifecycle):
    keys = tmp_path / "keys.toml"
    secret = lifecycle("serve", "keys", "add", keys, "any", "--scope", "read").stdout.strip()
    served = serve(keys=str(keys), heartbeat_seconds=0.1)
    headers = {"accept": "text/event-stream", "x-api-key": secret}
    with served.client.stream("GET", "/changes", headers=headers) as stream:
        beats = stream.iter_lines()
        assert next(beats) == ": alive"
        lifecycle("serve", "keys", "revoke", keys, "any")
        assert len(list(beats)) < 100


# --- much at once ---------------------------------------------------------------------------------


def test_no_more_than_so_many_wait_for_an_answer(path):
    with LeadStore(path):
        pass

    async def main():
        let_go = threading.Event()
        readers = Readers(path, 1, 2)
        waiting = [asyncio.create_task(readers.read(lambda _: let_go.wait(20))) for _ in "ab"]
        await asyncio.sleep(0.05)
        with pytest.raises(ProblemError) as error:
            await readers.read(lambda _: None)
        waiting[1].cancel()  # it went away before anybody began with it
        await asyncio.sleep(0.05)
        waiting[1] = asyncio.create_task(readers.read(lambda _: True))
        let_go.set()
        found = await asyncio.gather(*waiting)
        await asyncio.sleep(0.05)
        found.append(await readers.read(lambda _: True))
        readers.close()
        return error.value.code, found

    assert asyncio.run(main()) == ("too_busy", [True, True, True])


def test_pages_of_large_rows_are_shorter(serve, path, monkeypatch):
    monkeypatch.setattr(reading, "_PAGE_BYTES", 20_000)
    with LeadStore(path) as store:
        for number in range(1, 6):
            keys, note = f"{number}", "r" * 9_000
            rejected = lead("reject", "10:01", keys=keys, agent=ADA, reason=note)
            names = {"crmLeadId": keys, "other": f"{number}" + "k" * 9_000}
            store.apply_many([lead("add", "10:00", keys=names), rejected])
    served = serve(path)

    def rows(address, name, **asked):
        found, sizes, after = [], [], None
        while not sizes or after is not None:
            page = served.get(address, **asked, **({} if after is None else {"after": after}))
            found += page[name]
            sizes.append(len(page[name]))
            after = page["next"] if page[name] else None
        return found, [one for one in sizes if one]

    leads, sizes = rows("/leads", "leads")
    assert (len(leads), max(sizes) < 5) == (5, True)
    leads, sizes = rows("/leads", "leads", as_of="2026-03-01T10:00:00Z")
    assert (len(leads), max(sizes) < 5) == (5, True)
    changes, sizes = rows("/changes", "changes")
    assert [one["change"] for one in changes] == list(range(1, 11))
    assert max(sizes) < 10
    assert [one["seq"] for one in rows("/leads/crmleadid:1/history", "history")[0]] == [1, 2]


def test_a_long_id_is_in_no_header_and_no_line_of_the_log(serve_alone):
    served = serve_alone()
    answer = served.post("/inbox/", lead("add", "10:00", id="urn:" + "x" * 300_000))
    assert (answer.status_code, answer.headers["location"]) == (201, "/inbox/")
    until(lambda: any(one.get("ids") for one in served.lines()))
    assert served.log.stat().st_size < 2000


# --- in the name of others ------------------------------------------------------------------------


def test_another_site_may_lead_here_and_nothing_else(serve):
    served = serve()
    from_there = {"sec-fetch-site": "cross-site"}
    link = from_there | {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert served.client.get("/ui/leads", headers=link).status_code == 200
    for path in ("/audit", "/leads", "/changes", "/ui/audit", "/ui/htmx.js"):
        answer = served.client.get(path, headers=from_there | {"sec-fetch-mode": "no-cors"})
        assert answer.status_code == 403, path
    for mode in ("navigate", "no-cors", "cors"):
        headers = from_there | {"sec-fetch-mode": mode}
        problem(served.post("/inbox/", lead("add", "10:00"), headers=headers), 403, "cross_site")


def test_no_answer_lets_another_site_read_or_frame_it(shared):
    for path in ("/leads", "/ui/leads", "/ui/htmx.js", "/nowhere", "/metrics", "/ui/audit/page"):
        headers = shared.client.get(path, headers={"origin": shared.url}).headers
        assert not any(name.startswith("access-control") for name in headers)
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


# --- what is called -------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate, gzip"])
def test_a_packed_answer_of_an_inbox_is_not_unpacked(coding):
    bomb = gzip.compress(b" " * 5_000_000)
    with answering(lambda *_: (200, {"content-encoding": coding}, bomb)) as server:
        inbox = Inbox(server.url, headers={}, wait=lambda _: None)
        with pytest.raises(InputError, match="a packed body, which was not asked for"):
            inbox.page(None)
        inbox.close()
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_an_answer_of_an_inbox_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr("lifecycle.service.pull._LONGEST_ANSWER", -1.0)
    with answering(lambda *_: (200, {}, b'{"contains": []}')) as server:
        inbox = Inbox(server.url, headers={}, wait=lambda _: None)
        with pytest.raises(InputError, match="did not end"):
            inbox.page(None)
        inbox.close()


# --- signatures -----------------------------------------------------------------------------------


def test_a_signature_of_nothing_or_with_nothing_is_none(serve):
    hook = {"scheme": "network", "source": "network", "secrets": ["secret"]}
    served = serve(hooks={"a": hook})
    body = json.dumps(lead("add", "10:00")).encode()
    for secret in (b"", b"None", b"secret "):
        digest = hmac.new(secret, body, "sha1").hexdigest()
        headers = {"X-Signature": f"sha1={digest}"}
        problem(served.client.post("/hooks/a", content=body, headers=headers), 401, "bad_signature")
    other = hmac.new(b"secret", body, "sha256").hexdigest()
    for stated in (f"sha256={other}", f"sha1={base64.b64encode(b'x' * 20).decode()}", "sha1=" * 99):
        answer = served.client.post("/hooks/a", content=body, headers={"X-Signature": stated})
        problem(answer, 401, "bad_signature")


# --- what the documentation says of it ------------------------------------------------------------


def test_every_test_that_the_documentation_names_is_there():
    rows = [line.split("|") for line in SECURITY.splitlines() if line.startswith("| ")]
    cells = [row[-2] for row in rows if row[-2] != " tests "]
    named = [re.findall(r"`(test_\w+)`", cell) for cell in cells]
    assert all(named), "each line names its tests"
    known = {
        name
        for file in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    assert {one for names in named for one in names} <= known
    ours = set(re.findall(r"^def (test_\w+)", Path(__file__).read_text("utf-8"), re.MULTILINE))
    ours.discard("test_every_test_that_the_documentation_names_is_there")
    assert ours <= {one for names in named for one in names}
