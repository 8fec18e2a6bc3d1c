"""The service's API: what is read of a store over HTTP is what the command line prints."""

import asyncio
import json
import threading
import time

import httpx
import pytest
from jsonschema_rs import Draft202012Validator
from letters import ADA, BOB, ORG, lead
from openapi_spec_validator import OpenAPIV31SpecValidator
from served import Hosted, problem, until

from lifecycle import LeadStore
from lifecycle.auditing.figures import PAGE_BY

GROUPED = ("figures", "funnel")
FROM_THE_WEB = {"leadSource": "Web Site"}


def told(path):
    """Make a store with late messages, refusals, a merge of names and a quarantine."""
    contact = {"type": "Contact", "name": "Joe Smith", "email": "joe@example.com"}
    with LeadStore(path) as store:
        store.apply_many(
            [
                lead("add", "10:00", snapshot={"owner": ORG, "object": contact} | FROM_THE_WEB),
                lead("accept", "10:03", agent=ADA),
                lead("reject", "10:04", agent=ADA, reason="<script>alert(1)</script>"),
                *(lead("add", "11:00", keys=str(number)) for number in range(2, 30)),
                lead("assign", "11:30", keys="2", recipient=BOB),
                lead("change", "11:31", keys="3", new="New"),
                lead("add", "12:00", keys={"web": "https://example.com/a/history?x=1"}),
            ]
        )
        store.apply(lead("assign", "10:02", agent=ORG, recipient=ADA))
        store.apply(b'{"topic": "lead#ad", "data": {}}')
        store.apply(b"\xff\x00 not JSON \x1b[2J")
    return path


@pytest.fixture
def stories(path):
    return told(path)


@pytest.fixture
def served(serve, stories):
    return serve(stories)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Return a service of such a store, for tests that only ask it."""
    folder = tmp_path_factory.mktemp("asked")
    served = Hosted(told(folder / "leads.db"), folder)
    yield served
    served.stop()


def printed(lifecycle, *arguments):
    done = lifecycle(*arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_leads_are_those_of_the_command_line_page_by_page(asked, lifecycle):
    listed = printed(lifecycle, "leads", asked.database, "--format", "json")
    rows, token, pages = [], None, 0
    while pages == 0 or token:
        page = asked.get("/leads", limit=7, **({"after": token} if token else {}))
        rows, token, pages = rows + page["leads"], page["next"], pages + 1
    assert pages == 5
    assert sorted(rows, key=lambda row: row["lead_id"]) == listed
    assert len(rows) == 30


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"state": "accepted"}, ["crmleadid:1"]),
        ({"holder": BOB}, ["crmleadid:2"]),
        ({"owner": ORG}, ["crmleadid:1"]),
        ({"owner": ORG, "state": "sent"}, []),
        ({"source": "web site"}, ["crmleadid:1"]),
        ({"source": "web site", "state": "sent"}, []),
        ({"system": "crm"}, ["crmleadid:3"]),
        ({"system": "salesforce"}, []),
        ({"system": "crm", "as_of": "2026-03-01T11:40:00Z"}, ["crmleadid:3"]),
        ({"q": "JOE@example"}, ["crmleadid:1"]),
        ({"q": "crmleadid:29"}, ["crmleadid:29"]),
        ({"q": "%"}, []),
        ({"since": "2026-03-01T11:30:00Z", "limit": "1"}, ["crmleadid:2"]),
        ({"since": "2026-03-01T12:30:00+01:00", "limit": "1"}, ["crmleadid:2"]),
        ({"as_of": "2026-03-01T10:01:00Z"}, ["crmleadid:1"]),
        ({"as_of": "2026-03-01T10:01:00Z", "state": "accepted"}, []),
        ({"as_of": "2026-03-01T11:40:00Z", "holder": BOB}, ["crmleadid:2"]),
    ],
)
def test_leads_are_filtered(asked, filters, found):
    assert [one["lead_id"] for one in asked.get("/leads", **filters)["leads"]] == found


def test_leads_of_a_moment_come_page_by_page(asked, lifecycle):
    moment = "2026-03-01T11:15:00Z"
    listed = printed(lifecycle, "leads", asked.database, "--as-of", moment, "--format", "json")
    first = asked.get("/leads", as_of=moment, limit=20)
    rest = asked.get("/leads", as_of=moment, limit=20, after=first["next"])
    assert first["leads"] + rest["leads"] == listed
    assert rest["next"] is None


def test_a_lead_is_found_by_any_name(asked, lifecycle):
    shown = printed(lifecycle, "show", asked.database, "crmLeadId:1", "--format", "json")
    assert asked.get("/leads/crmLeadId:1") == shown
    assert asked.get("/leads/%63rmleadid%3A1") == shown
    web = asked.get("/leads/web%3Ahttps%3A%2F%2Fexample.com%2Fa%2Fhistory%3Fx%3D1")
    assert web["lead_id"] == "web:https://example.com/a/history?x=1"
    before = asked.get("/leads/crmleadid:1", as_of="2026-03-01T10:00:30Z")
    assert before["state"] == "sent"


def test_a_history_has_superseded_rows_and_both_times_when_asked(asked, lifecycle):
    rows = printed(lifecycle, "history", asked.database, "crmleadid:1", "--all", "--format", "json")
    answer = asked.get("/leads/crmleadid:1/history", all="true")
    assert answer == {"history": rows, "next": None}
    assert any(row["superseded_at"] for row in rows)
    first = asked.get("/leads/crmleadid:1/history", all="", limit=2)
    second = asked.get("/leads/crmleadid:1/history", all="", after=first["next"])
    assert first["history"] + second["history"] == rows
    known = rows[0]["recorded_at"]
    assert len(asked.get("/leads/crmleadid:1/history", as_known_at=known)["history"]) == 3
    told = asked.get("/leads/crmleadid:1/history", as_of="2026-03-01T10:00:00Z")["history"]
    assert [row["to"] for row in told] == ["sent"]


def test_an_explanation_and_an_audit_are_those_of_the_command_line(asked, lifecycle):
    told = printed(lifecycle, "explain", asked.database, "crmleadid:1", "--format", "json")
    assert asked.get("/leads/crmleadid:1/explain") == told
    report = json.loads(lifecycle("audit", asked.database, "--format", "json").stdout)
    answer = asked.get("/audit")
    assert set(answer["figures"]) == set(PAGE_BY)
    # The page has figures by groups, which the command prints when it is asked for them.
    assert {name: part for name, part in answer.items() if name not in GROUPED} == (
        {name: part for name, part in report.items() if name not in GROUPED}
    )
    assert asked.get("/audit", top=3, on_invalid="force")["on_invalid"] == "force"
    listed = lifecycle("audit", asked.database, "--list", "deviations", "--format", "json").stdout
    assert asked.get("/audit", list="deviations") == {
        "deviations": json.loads(listed),
        "next": None,
    }
    overdue = asked.get("/audit", overdue="sent>PT1M", now="2026-03-02T00:00:00Z")["overdue"]
    assert overdue
    problem(asked.client.get("/audit?overdue=sent"), 400, "bad_query")


def test_what_cannot_be_asked_is_a_problem(asked):
    get = asked.client.get
    problem(get("/leads/crmleadid:4711"), 404, "unknown_lead")
    problem(get("/leads/crmleadid:4711/history"), 404, "unknown_lead")
    problem(get("/leads/crmleadid:4711/explain"), 404, "unknown_lead")
    problem(get("/leads/"), 404, "unknown_lead")
    problem(get("/leads/crmleadid:1?as_of=yesterday"), 400, "bad_query")
    problem(get("/leads?limit=0x10"), 400, "bad_query")
    problem(get("/leads?limit=1001"), 400, "bad_query")
    problem(get("/leads?limit=1&limit=2"), 400, "bad_query")
    problem(get("/leads?stat=sent"), 400, "bad_query")
    problem(get("/leads?state=gone"), 400, "bad_query")
    problem(get("/leads?after=7"), 400, "bad_query")
    problem(get("/leads?after=n:x"), 400, "bad_query")
    problem(get(f"/leads?q={'x' * 201}"), 400, "bad_query")
    problem(get("/leads?since=2026-01-01&as_of=2026-01-01"), 400, "bad_query")
    problem(get("/changes?after=-1"), 400, "bad_query")
    problem(get("/changes?after=%F0%9F%98%80"), 400, "bad_query")
    problem(get("/quarantine/99"), 404, "unknown_message")
    problem(get("/quarantine/x"), 400, "bad_query")
    for name in ("%00", "..%2F..%2Fetc%2Fpasswd", "....//etc/passwd", "%2e%2e/%2e%2e", "\u202e"):
        problem(get(f"/leads/{name}"), 404, "unknown_lead")
        assert get(f"/ui/style.css/{name}").status_code == 404
    assert asked.client.head("/leads").content == b""
    head = asked.client.head("/changes", headers={"accept": "text/event-stream"})
    assert (head.status_code, head.headers["content-type"]) == (200, "application/json")
    assert get("/leads?after=n:99999999999999999999999999").json()["leads"] == []


def test_the_name_of_several_leads_says_which(serve, path):
    with LeadStore(path) as store:
        store.apply_many([lead("add", "10:00", keys=str(n), contact={"crm": "77"}) for n in (1, 2)])
    served = serve(path)
    told = problem(served.client.get("/leads/contact:crm:77"), 409, "ambiguous_lead")
    assert told["lead_ids"] == ["crmleadid:1", "crmleadid:2"]


def test_an_answer_is_good_until_something_changes(served):
    for path in ("/leads", "/leads/crmleadid:1", "/audit", "/quarantine", "/changes"):
        first = served.client.get(path)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "private, no-cache"
        for stated in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = served.client.get(path, headers={"if-none-match": stated})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        other = served.client.get(path, headers={"if-none-match": '"other"'})
        assert other.status_code == 200
    for message in (b"{broken", json.dumps(lead("update", "13:00")).encode()):
        served.post("/inbox/", message)
        changed = served.client.get("/leads", headers={"if-none-match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag
        tag = changed.headers["etag"]


def test_the_quarantine_is_looked_at_mended_dismissed_and_restored(served, lifecycle, path):
    (first, second) = printed(lifecycle, "quarantine", path, "--format", "json")
    listed = served.get("/quarantine")["quarantine"]
    assert [{**one, "raw": None} for one in listed] == [
        {**one, "raw": None} for one in (first, second)
    ]
    page = served.get("/quarantine", limit=1)
    assert [one["id"] for one in page["quarantine"]] == [first["id"]]
    assert served.get("/quarantine", after=page["next"])["quarantine"] == listed[1:]
    assert served.get(f"/quarantine/{second['id']}") == second
    retry = f"/quarantine/{first['id']}/retry"
    stays = served.client.post(retry).json()
    assert (stays["left"], stays["outcomes"][0]["outcome"]) == (False, "quarantined")
    problem(served.post(retry, b" "), 400, "no_body")
    problem(served.client.post(retry, content=b"{}"), 415, "media_type")
    taken = served.post(retry, lead("add", "10:00", keys="50")).json()
    assert (taken["left"], taken["outcomes"][0]["outcome"]) == (True, "applied")
    problem(served.client.post(retry), 404, "unknown_message")
    number = second["id"]
    assert served.client.post(f"/quarantine/{number}/dismiss").json() == {"left": True}
    assert served.get("/quarantine")["quarantine"] == []
    assert [one["left_as"] for one in served.get("/quarantine", left="1")["quarantine"]] == [
        "retried",
        "dismissed",
    ]
    assert served.client.post(f"/quarantine/{number}/restore").json() == {"left": False}
    problem(served.client.post(f"/quarantine/{number}/restore"), 404, "unknown_message")


def test_a_correction_with_another_id_needs_force(serve, path):
    with LeadStore(path) as store:
        store.apply(lead("add", "10:00", id="urn:one") | {"time": "never"})
    served = serve(path)
    correction = lead("add", "10:00", id="urn:other")
    problem(served.post("/quarantine/1/retry", correction), 409, "other_message")
    assert served.post("/quarantine/1/retry?force=1", correction).json()["left"] is True


def test_the_feed_goes_on_behind_a_number(asked, lifecycle):
    rows = printed(lifecycle, "changes", asked.database, "--format", "json")
    first = asked.get("/changes", limit=10)
    assert first == {"changes": rows[:10], "next": rows[9]["change"]}
    rest = asked.get("/changes", after=first["next"], limit=1000)
    assert rest["changes"] == rows[10:]
    assert asked.get("/changes", after=rest["next"]) == {"changes": [], "next": rest["next"]}


class Stream:
    """A client of the feed, in a thread of its own."""

    def __init__(self, served, **headers):
        self.events, self.beats = [], 0
        self._served, self._headers = served, headers
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        headers = {"accept": "text/event-stream"} | self._headers
        event = {}
        with httpx.stream("GET", f"{self._served.url}/changes", headers=headers, timeout=30) as got:
            assert got.headers["content-type"].startswith("text/event-stream")
            for line in got.iter_lines():
                if line.startswith(":"):
                    self.beats += 1
                elif line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif event:
                    self.events.append(event)
                    event = {}


def test_events_come_as_they_happen_and_go_on_behind_the_last(serve, stories, lifecycle):
    served = serve(stories, heartbeat_seconds=0.2)
    rows = printed(lifecycle, "changes", stories, "--format", "json")
    stream = Stream(served)
    until(lambda: len(stream.events) == len(rows))
    assert [json.loads(one["data"]) for one in stream.events] == rows
    assert [(int(one["id"]), one["event"]) for one in stream.events] == [
        (row["change"], row["kind"]) for row in rows
    ]
    until(lambda: stream.beats > 1)
    later = Stream(served, **{"Last-Event-ID": str(rows[-1]["change"])})
    served.post("/inbox/", lead("add", "13:00", keys="60"))
    until(lambda: later.events and len(stream.events) == len(rows) + 1)
    assert json.loads(later.events[0]["data"])["lead_id"] == "crmleadid:60"
    with LeadStore(stories) as store:
        store.apply(lead("add", "13:00", keys="61"))
    until(lambda: len(later.events) == 2)
    problem(
        served.client.get(
            "/changes", headers={"accept": "text/event-stream", "last-event-id": "x"}
        ),
        400,
        "bad_query",
    )
    assert served.terminate() == 0
    stream.thread.join(10)
    later.thread.join(10)


def test_an_event_does_not_wait_for_the_next_look(serve, monkeypatch):
    monkeypatch.setattr("lifecycle.service.news._LOOK_SECONDS", 1_000.0)
    served = serve()
    stream = Stream(served)
    until(lambda: "lifecycle_feeds 1.0" in served.client.get("/metrics").text)
    served.post("/inbox/", lead("add", "10:00"))
    until(lambda: len(stream.events) == 1)
    served.terminate()
    stream.thread.join(10)


def test_feeds_are_bounded_and_who_does_not_read_is_cut_off(serve, path):
    with LeadStore(path) as store:
        note = "x" * 3000
        store.apply_many(
            lead("reject", "10:00", keys=str(n), agent=ADA, reason=note) for n in range(1, 4000)
        )
    served = serve(path, feeds=1, body_seconds=0.5)
    with served.connect() as link:
        link.setsockopt(1, 8, 4096)
        link.sendall(
            b"GET /changes HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        )
        figure = "lifecycle_feeds"
        until(lambda: f"{figure} 1.0" in served.client.get("/metrics").text)
        answer = served.client.get("/changes", headers={"accept": "text/event-stream"})
        problem(answer, 503, "too_busy")
        until(lambda: f"{figure} 0.0" in served.client.get("/metrics").text)


def test_reading_goes_on_while_messages_are_taken_in(served):
    async def work():
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
            page = [lead("add", "14:00", keys=str(n)) for n in range(1000, 4000)]
            writing = asyncio.create_task(client.post("/inbox/", json=page))
            times = []
            while not writing.done():
                started = time.monotonic()
                assert (await client.get("/leads/crmleadid:1")).status_code == 200
                times.append(time.monotonic() - started)
            assert (await writing).status_code == 201
            return times

    times = asyncio.run(work())
    assert len(times) > 2


def test_every_call_is_in_the_document_and_every_answer_fits_it(served):
    document = served.get("/openapi.json")
    OpenAPIV31SpecValidator(document).validate()
    components = document["components"]

    def check(path, route, **parameters):
        answer = served.get(path, **parameters)
        operation = document["paths"][route]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": components}).validate(answer)
        assert set(parameters) <= {one["name"] for one in operation["parameters"]}

    check("/leads", "/leads", limit=5, state="sent")
    check("/leads/crmleadid:1", "/leads/{name}", as_of="2026-03-02T00:00:00Z")
    check("/leads/crmleadid:1/history", "/leads/{name}/history", all="true")
    check("/leads/crmleadid:1/explain", "/leads/{name}/explain")
    check("/audit", "/audit", top=5)
    check("/quarantine", "/quarantine", limit=1)
    check("/quarantine/1", "/quarantine/{number}")
    check("/changes", "/changes", after=1)
    check("/asyncapi.json", "/asyncapi.json")
    answer = served.post("/inbox/", [lead("add", "15:00"), {}])
    schema = document["paths"]["/inbox/"]["post"]["responses"]["201"]["content"]
    schema = schema["application/json"]["schema"]
    Draft202012Validator({**schema, "components": components}).validate(answer.json())
    failed = served.client.get("/leads/nobody:1").json()
    problem_schema = {"$ref": "#/components/schemas/Problem", "components": components}
    Draft202012Validator(problem_schema).validate(failed)
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))
