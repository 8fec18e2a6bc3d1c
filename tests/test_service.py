"""The service: messages in over HTTP, on disk when they are answered, and what is refused."""

import asyncio
import json
import resource
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
from letters import ADA, lead
from served import JSON, problem, until

from lifecycle import LeadStore


def test_a_message_is_answered_with_what_became_of_it(serve):
    served = serve()
    answer = served.post("/inbox/", lead("add", "10:00", id="urn:x:1/2"))
    assert answer.status_code == 201
    assert answer.headers["location"] == "/inbox/urn%3Ax%3A1%2F2"
    assert answer.json() == {
        "id": "urn:x:1/2",
        "outcome": "applied",
        "event_id": "urn:x:1/2",
        "trigger": "send",
        "lead_id": "crmleadid:1",
        "state": "sent",
    }


def test_a_refusal_and_a_duplicate_are_kept_and_not_to_be_sent_again(serve):
    served = serve()
    first = lead("add", "10:00")
    told = served.post("/publish/", [first, lead("accept", "10:01", agent=ADA), first]).json()
    told += [served.post("/inbox/", lead("reject", "10:02", agent=ADA)).json()]
    assert [one["outcome"] for one in told] == ["applied", "applied", "duplicate", "refused"]
    assert told[3]["reason"] == "only assign, retract or update may follow"
    assert served.terminate() == 0
    with LeadStore(served.database) as store:
        assert store.lead("crmleadid:1").state == "accepted"
        assert store.verify().defects == ()


@pytest.mark.parametrize("wrap", [list, lambda one: {"contains": one}], ids=["array", "page"])
def test_a_page_of_more_than_a_mebibyte_is_taken_in_message_by_message(serve, wrap):
    served = serve()
    page = [
        lead("add", "10:00", keys=str(n), snapshot={"note": "x" * 1000}) for n in range(1, 1201)
    ]
    told = served.post("/inbox/", wrap(page))
    assert told.status_code == 201
    assert [one["outcome"] for one in told.json()] == ["applied"] * 1200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"topic": "realestate/lead#add", ', "not valid JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        (b'{"topic": "lead#ad", "data": {}}', "lead#add"),
        (b'{"a": "' + b"x" * 1_100_000 + b'"}', "larger"),
    ],
    ids=["broken", "not utf-8", "unknown topic", "too large"],
)
def test_what_cannot_be_decoded_is_kept_and_answered_as_such(serve, body, code):
    served = serve()
    answer = served.post("/inbox/", body)
    assert answer.status_code == 201
    kept = served.get(answer.headers["location"])
    assert kept["id"] == answer.json()["number"]
    assert answer.json()["outcome"] == "quarantined"
    assert code in answer.json()["problems"][0]


def test_cloud_events_arrive_in_every_mode(serve):
    from cloudevents.core.bindings.http import (  # noqa: PLC0415
        to_binary_event,
        to_structured_event,
    )
    from cloudevents.core.v1.event import CloudEvent  # noqa: PLC0415

    served = serve()

    def event(number, data):
        about = {"id": f"ce-{number}", "source": "//crm", "type": "realestate/lead#add"}
        about |= {"specversion": "1.0", "time": "2026-03-01T10:00:00Z"}
        return {**about, "datacontenttype": "application/json"}, data

    data = lead("add", "10:00")["data"]
    for number, write in enumerate([to_binary_event, to_structured_event]):
        about, content = event(number, data)
        from datetime import datetime  # noqa: PLC0415

        about["time"] = datetime.fromisoformat(about["time"])
        message = write(CloudEvent(about, content))
        answer = served.client.post("/inbox/", content=message.body, headers=message.headers)
        assert answer.status_code == 201, answer.text
        assert answer.json()["id"] == f"ce-{number}"
    encoded = {"ce-specversion": "1.0", "ce-source": "/", "ce-type": "realestate/lead%23add"}
    encoded |= {"ce-id": "a%20%C3%A9%25", "ce-time": "2026-03-01T10:00:00Z", **JSON}
    answer = served.client.post("/inbox/", json=data, headers=encoded)
    assert (answer.status_code, answer.json()["id"]) == (201, "a é%")
    batch = [{**event(number, 0)[0], "data": data} for number in (2, 3)]
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = served.client.post("/inbox/", content=json.dumps(batch), headers=headers)
    assert [one["id"] for one in answer.json()] == ["ce-2", "ce-3"]


def test_a_broken_cloud_event_in_binary_mode_is_kept_as_it_came(serve):
    served = serve()
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/", "ce-type": "lead#add"}
    told = served.post("/inbox/", b'{"a": 1},"id":"2', headers=headers).json()
    assert told["outcome"] == "quarantined"
    assert "data_base64" in told["problems"][0]


@pytest.mark.parametrize("length", [400_000, 2_000_000])
def test_many_messages_in_few_bytes_are_too_many(serve, length):
    served = serve()
    body = b"[" + b"1," * length + b"1]"
    problem(served.post("/inbox/", body), 413, "body_too_large")
    page = b'{"contains":%b}' % body
    problem(served.post("/inbox/", page), 413, "body_too_large")
    problem(served.post("/quarantine/1/retry", body), 413, "body_too_large")
    if length < 2**19:
        problem(served.post("/api/schema/validate", body), 413, "body_too_large")
    assert served.get("/quarantine")["quarantine"] == []


def test_requests_that_cannot_be_taken_are_problems(serve):
    served = serve(body_limit=1000, memory=1000)
    client = served.client
    problem(served.post("/inbox/", b""), 400, "no_body")
    problem(served.post("/inbox/", b" \n"), 400, "no_body")
    problem(served.post("/inbox/", b"x" * 1001), 413, "body_too_large")
    problem(
        client.post("/inbox/", content=iter([b"x" * 600] * 2), headers=JSON), 413, "body_too_large"
    )
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post("/inbox/", content=b"{}", headers={"content-type": media_type})
        problem(answer, 415, "media_type")
    packed = JSON | {"content-encoding": "gzip"}
    problem(client.post("/inbox/", content=b"{}", headers=packed), 415, "media_type")
    problem(client.get("/nowhere"), 404, "not_found")
    for method, path, meant in (("POST", "/inbox", "/inbox/"), ("GET", "/metrics/", "/metrics")):
        answer = client.request(method, path)
        problem(answer, 404, "not_found")
        assert answer.json()["detail"] == f"expected {method} {meant}"
    answer = client.put("/inbox/", content=b"{}")
    problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]
    problem(client.post("/inbox/?form=1", content=b"{}", headers=JSON), 400, "bad_query")


def test_an_idempotency_key_gives_the_same_answer_and_not_to_another_content(serve):
    served = serve()
    key = {"Idempotency-Key": "8e03978e"}
    message = lead("add", "10:00")
    first = served.post("/inbox/", message, headers=key)
    again = served.post("/inbox/", message, headers=key)
    assert (first.status_code, first.json()["outcome"]) == (201, "applied")
    assert (again.json(), again.headers["location"]) == (first.json(), first.headers["location"])
    problem(served.post("/inbox/", lead("add", "10:01"), headers=key), 422, "key_reused")
    problem(
        served.post("/inbox/", message, headers={"Idempotency-Key": "x" * 256}), 400, "bad_query"
    )


def test_many_clients_share_commits_and_each_gets_its_own_answer(serve):
    served = serve()

    async def post_all():
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(base_url=served.url, limits=limits, timeout=60) as client:

            async def post(number):
                message = lead("add", "10:00", keys=str(number), id=f"urn:many:{number}")
                answer = await client.post("/inbox/", json=message)
                return answer.status_code, answer.json()["lead_id"]

            return await asyncio.gather(*map(post, range(1, 121)))

    answers = asyncio.run(post_all())
    assert answers == [(201, f"crmleadid:{number}") for number in range(1, 121)]
    figures = dict(
        line.rsplit(" ", 1)
        for line in served.client.get("/metrics").text.splitlines()
        if line[0] != "#"
    )
    assert float(figures['lifecycle_messages_total{outcome="applied"}']) == 120
    assert float(figures["lifecycle_commit_seconds_count"]) < 120
    assert float(figures["lifecycle_queue_messages"]) == 0
    assert float(figures["lifecycle_quarantine_messages"]) == 0
    requests = 'lifecycle_requests_total{method="POST",path="/inbox/",status="201"}'
    assert float(figures[requests]) == 120


def test_what_was_accepted_is_answered_when_the_service_stops(serve_alone):
    served = serve_alone()
    codes = []

    def post(first):
        with httpx.Client(base_url=served.url, timeout=30) as client:
            for number in range(first, first + 500):
                message = lead("add", "10:00", keys=str(number), id=f"urn:stop:{number}")
                try:
                    answer = client.post("/inbox/", json=message)
                except httpx.HTTPError:
                    return
                if answer.status_code != 201:
                    return
                codes.append(number)

    threads = [threading.Thread(target=post, args=(1000 * n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    until(lambda: len(codes) > 100)
    assert served.terminate() == 0
    for thread in threads:
        thread.join()
    assert served.lines()[-1]["message"] == "stopped; the store is closed"
    assert not served.database.with_name("leads.db-wal").exists()
    with LeadStore(served.database) as store:
        known = {one.lead_id for one in store.leads()}
    assert {f"crmleadid:{number}" for number in codes} <= known


@pytest.mark.usefixtures("uncovered")
def test_nothing_acknowledged_is_lost_when_the_service_is_killed(serve_alone):
    served = serve_alone()
    acknowledged = []

    def post(first):
        with httpx.Client(base_url=served.url, timeout=30) as client:
            for number in range(first, first + 500):
                message = lead("add", "10:00", keys=str(number), id=f"urn:kill:{number}")
                try:
                    client.post("/inbox/", json=message).raise_for_status()
                except httpx.HTTPError:
                    return
                acknowledged.append(number)

    threads = [threading.Thread(target=post, args=(1000 * n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) > 200)
    served.kill()
    for thread in threads:
        thread.join()
    with LeadStore(served.database) as store:
        known = {one.lead_id for one in store.leads()}
        assert store.verify().defects == ()
    assert {f"crmleadid:{number}" for number in acknowledged} <= known


def test_a_full_queue_asks_to_try_again_and_takes_nothing(serve):
    served = serve(queue=1)
    page = [lead("add", "10:00", keys=str(n)) for n in range(1, 3001)]
    codes = []

    def post(body):
        answer = httpx.post(f"{served.url}/inbox/", json=body, timeout=60)
        codes.append(answer.status_code)
        if answer.status_code == 503:
            assert problem(answer, 503, "queue_full")
            assert answer.headers["retry-after"] == "1"

    threads = [threading.Thread(target=post, args=(page,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) == {201, 503}


def test_a_full_disk_is_an_answer_and_nothing_acknowledged_is_lost(serve_alone):
    size = 400_000

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    served = serve_alone(limits=limit, options=["--quiet"])
    acknowledged = []
    for number in range(1, 3000):
        message = lead("add", "10:00", keys=str(number), snapshot={"note": "x" * 3000})
        answer = served.post("/inbox/", message)
        if answer.status_code != 201:
            break
        acknowledged.append(number)
    problem(answer, 503, "store")
    assert answer.headers["retry-after"] == "5"
    problem(served.client.get("/readyz"), 503, "store")
    assert served.client.get("/livez").status_code == 200
    served.terminate()
    with LeadStore(served.database) as store:
        assert {f"crmleadid:{n}" for n in acknowledged} == {one.lead_id for one in store.leads()}


def test_a_client_that_goes_away_does_no_harm(serve):
    served = serve()
    with served.connect() as link:
        link.sendall(
            b"POST /inbox/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        )
        link.sendall(b"Content-Length: 100\r\n\r\n{")
    assert served.post("/inbox/", lead("add", "10:00")).status_code == 201
    gone = 'lifecycle_requests_total{method="POST",path="/inbox/",status="400"} 1.0'
    until(lambda: gone in served.client.get("/metrics").text)


def answered(link):
    """Read a connection to its end."""
    parts = []
    while part := link.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_slow_heads_slow_bodies_and_large_heads_are_cut_off(serve):
    served = serve(header_seconds=0.5, body_seconds=0.5, header_limit=2000)
    head = b"POST /inbox/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with served.connect() as silent, served.connect() as slow_head, served.connect() as slow_body:
        slow_head.sendall(head)
        slow_body.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
        assert answered(silent).startswith(b"HTTP/1.1 408 ")
        assert answered(slow_head).startswith(b"HTTP/1.1 408 ")
        answer = answered(slow_body)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"body_too_slow" in answer
    for large in (b"X-Large: " + b"x" * 3000 + b"\r\n\r\n", b"X-Large: " + b"x" * 3000):
        with served.connect() as link:
            link.sendall(head + large)
            assert answered(link).startswith(b"HTTP/1.1 431 ")
    with served.connect() as link:
        link.sendall(b"nonsense\r\n\r\n")
        assert answered(link).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_never_ends_is_cut_off(serve):
    served = serve(body_limit=100_000, memory=100_000)
    with served.connect() as link:
        link.sendall(
            b"POST /inbox/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        )
        link.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012
            for _ in range(100_000):
                link.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert served.client.get("/livez").status_code == 200


def test_bodies_in_work_are_bounded_together(serve):
    served = serve(body_limit=1000, memory=1000)
    head = b"POST /inbox/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with served.connect() as slow:
        slow.sendall(head + b"Content-Length: 900\r\n\r\n" + b" " * 600)
        figure = "lifecycle_body_bytes 600.0"
        until(lambda: figure in served.client.get("/metrics").text)
        answer = served.post("/inbox/", b" " * 600)
        problem(answer, 503, "too_busy")
        assert answer.headers["retry-after"] == "1"
    until(lambda: "lifecycle_body_bytes 0.0" in served.client.get("/metrics").text)
    assert served.post("/inbox/", lead("add", "10:00")).status_code == 201


def test_other_programs_write_and_erase_beside_the_service(serve, lifecycle, write_log):
    served = serve()
    served.post("/inbox/", [lead("add", "10:00", keys="1"), lead("add", "10:00", keys="2")])
    assert len(served.get("/leads")["leads"]) == 2
    log = write_log([lead("add", "10:00", keys="3")])
    assert lifecycle("replay", served.database, log).exit_code == 0
    assert served.get("/leads/crmleadid:3")["state"] == "sent"
    assert lifecycle("erase", served.database, "crmleadid:1", "--yes").exit_code == 0
    problem(served.client.get("/leads/crmleadid:1"), 404, "unknown_lead")
    assert served.get("/leads/erased:1")["state"] == "sent"
    assert served.get("/changes")["changes"][-1]["kind"] == "erased"
    assert served.post("/inbox/", lead("accept", "11:00", keys="2")).status_code == 201
    assert lifecycle("verify", served.database).exit_code == 0


def test_a_request_is_a_span_where_somebody_traces(path):
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415
        InMemorySpanExporter,
    )

    from lifecycle.service import Settings, app  # noqa: PLC0415

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    async def work():
        inner = app(path, Settings(hosts=("testing",)))
        transport = httpx.ASGITransport(inner)
        async with (
            inner.router.lifespan_context(inner),
            httpx.AsyncClient(transport=transport, base_url="http://testing") as client,
        ):
            await client.get("/livez")
            trace.set_tracer_provider(provider)
            parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
            await client.post("/inbox/", json=lead("add", "10:00"), headers={"traceparent": parent})
            await client.get("/leads/email:joe@example.com")

    asyncio.run(work())
    posted, got = exporter.get_finished_spans()
    assert (posted.name, posted.context.trace_id) == ("POST /inbox/", int("ab" * 16, 16))
    assert posted.attributes["http.response.status_code"] == 201
    assert got.name == "GET /leads/{name:path}"
    assert got.attributes["http.response.status_code"] == 404
    assert "joe" not in got.to_json()


def test_connections_beyond_the_limit_are_told_so(serve):
    served = serve(connections=5)
    links = [served.connect() for _ in range(8)]
    time.sleep(0.2)
    links[0].sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answered(links[0]).startswith(b"HTTP/1.1 503 ")
    for link in links:
        link.close()


def test_the_log_has_nothing_of_a_message_but_its_id(serve_alone):
    served = serve_alone()
    contact = {"type": "Contact", "name": "Zaphod Beeblebrox"}
    message = lead("add", "10:00", keys="4711", snapshot={"object": contact}, id="urn:log:1\x1b[2J")
    assert served.post("/inbox/", message).status_code == 201
    assert served.client.get("/leads/crmLeadId:4711/Zaphod").status_code == 404
    until(lambda: any(one.get("ids") for one in served.lines()))
    text = served.log.read_text("utf-8")
    assert "Zaphod" not in text
    assert "4711" not in text
    assert "\x1b" not in text
    (line,) = [one for one in served.lines() if one.get("ids")]
    assert line["ids"] == ["urn:log:1\x1b[2J"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/inbox/", 201)


def test_the_service_is_known_by_its_own_names_alone(serve):
    served = serve(hosts=["leads.example"])
    for name in ("leads.example", f"localhost:{served.port}", "127.0.0.1", "[::1]:80"):
        assert served.client.get("/livez", headers={"host": name}).status_code == 200
    for name in ("evil.example", "", "127.0.0.1.evil.example"):
        problem(served.client.get("/livez", headers={"host": name}), 400, "bad_host")


def test_other_sites_cannot_make_a_browser_post(serve):
    served = serve()
    own = f"http://127.0.0.1:{served.port}"
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ):
        answer = served.post("/inbox/", lead("add", "10:00"), headers=headers)
        problem(answer, 403, "cross_site")
    headers = {"origin": own, "sec-fetch-site": "same-origin"}
    answer = served.post("/inbox/", lead("add", "10:00"), headers=headers)
    assert answer.status_code == 201
    assert not any("access-control" in name for name in answer.headers)


def test_check_says_what_cannot_be_used(lifecycle, tmp_path, path):
    config = tmp_path / "serve.toml"
    config.write_text("port = 0\n")
    done = lifecycle("serve", path, "--config", config, "--check")
    assert (done.exit_code, done.stderr) == (
        0,
        "the settings, the keys and the store can be used\n",
    )
    for text, said in [
        ("prot = 1", "prot: no such setting"),
        ("port = 'x'", "port: expected a port"),
        ("queue = 0", "queue: expected a number above 0"),
        ("[hooks.a]\nscheme = 'rot13'", "hooks.a.scheme: expected one of network, standard"),
        ("[hooks.a]\nscheme = 'stripe'", "hooks.a.secrets: expected a list"),
        ("[hooks.a]\nscheme = 'stripe'\nsecrets = [{env = 'NO_SUCH'}]", "variable NO_SUCH"),
        ("[hooks.a]\nscheme = 'stripe'\nsecrets = ['x']\nmore = 1", "hooks.a.more"),
        ("= 1", "is no TOML"),
        ("host = '0.0.0.0'", "no keys are configured"),
        ("keys = 'none.toml'", "none.toml: cannot be read"),
    ]:
        config.write_text(text)
        done = lifecycle("serve", path, "--config", config, "--check")
        assert done.exit_code == 2, done.output
        assert said in done.stderr
    done = lifecycle("serve", path, "--config", tmp_path / "gone.toml", "--check")
    assert "cannot be read" in done.stderr


def test_the_environment_overrules_the_file_and_options_overrule_both(
    serve_alone, lifecycle, path, monkeypatch
):
    served = serve_alone(environment={"LIFECYCLE_SERVE_BODY_LIMIT": "10"}.items(), body_limit=1000)
    problem(served.post("/inbox/", b"x" * 11), 413, "body_too_large")
    monkeypatch.setenv("LIFECYCLE_SERVE_HOST", "0.0.0.0")  # noqa: S104 - that is refused
    assert lifecycle("serve", path, "--check").exit_code == 2
    assert lifecycle("serve", path, "--check", "--host", "127.0.0.1").exit_code == 0
    monkeypatch.setenv("LIFECYCLE_SERVE_QUEUE", "many")
    assert "LIFECYCLE_SERVE_QUEUE: expected a number" in lifecycle("serve", path, "--check").stderr


def test_a_port_in_use_and_a_file_that_is_no_store_are_one_sentence(serve, tmp_path):
    served = serve()

    def run(database, port):
        command = [sys.executable, "-m", "lifecycle", "serve", str(database), "--port", str(port)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    done = run(tmp_path / "other.db", served.port)
    assert done.returncode == 2
    assert done.stderr.startswith(f"lifecycle: 127.0.0.1:{served.port}: cannot listen there")
    (tmp_path / "text.db").write_text("nonsense" * 1000)
    done = run(tmp_path / "text.db", 0)
    assert done.returncode == 3
    assert "not a SQLite database" in done.stderr


def test_without_the_extra_one_sentence_says_what_is_missing(path):
    program = (
        "import sys; sys.modules['starlette'] = None\n"
        "from lifecycle.cli import main; sys.argv = ['lifecycle', 'serve', sys.argv[1]]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "pip install 'lead-lifecycle[serve]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
