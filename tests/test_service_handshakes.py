"""Subscriptions that are offered, senders that ask first, contacts that are deleted."""

import json
import time

import pytest
from letters import deletion, lead
from served import problem, until
from test_service_network import answering

from lifecycle import LeadStore
from lifecycle.service import Settings, SettingsError
from lifecycle.service.purging import Purging

POD = "https://pod.example.com/profile/card#me"
US = "https://leads.example.com/profile/card#me"
OFFER = {
    "type": "SubscribeAction",
    "actionStatus": "PotentialActionStatus",
    "agent": POD,
    "object": US,
    "context": {"scope": ["read:realestate/lead#add"]},
}


@pytest.fixture
def offered(serve):
    """Offer a subscription to a service that knows it; return what the pod's inbox was sent."""

    def run(*offers, answers=lambda *_: (201, {}, b""), count=1, **more):
        with answering(answers) as pod:
            known = {"agent": POD, "object": US, "inbox": f"{pod.url}/inbox/", **more}
            served = serve(subscriptions={"pod": known})
            for offer in offers:
                answer = served.post("/inbox/", offer)
                assert answer.status_code == 201, answer.text
            until(lambda: len(pod.requests) >= count)
            served.terminate()
            return pod.requests

    return run


@pytest.mark.parametrize(
    "wrap",
    [
        lambda offer: offer,
        lambda offer: [lead("add", "10:00"), offer, offer],
        lambda offer: {"contains": [offer]},
        lambda offer: {"type": "Notification", "object": offer},
        lambda offer: {"topic": "yodata/subscription#offer", "data": offer},
    ],
    ids=["alone", "array", "page", "notification", "envelope"],
)
def test_a_subscription_that_is_configured_is_accepted_when_it_is_offered(offered, wrap):
    ((path, headers, body),) = offered(wrap(OFFER), secret="the-pods-key")  # noqa: S106
    assert path == "/inbox/"
    assert headers["x-api-key"] == "the-pods-key"
    accepted = {"type": "SubscribeAction", "actionStatus": "ActiveActionStatus"}
    assert json.loads(body) == accepted | {"agent": POD, "object": US}


def test_what_is_not_configured_is_not_accepted(offered):
    others = [
        OFFER | {"agent": "https://evil.example.com/profile/card#me"},
        OFFER | {"object": "https://other.example.com/profile/card#me"},
        OFFER | {"actionStatus": "CompletedActionStatus"},
        OFFER | {"type": "AuthorizeAction"},
        OFFER | {"agent": [POD], "object": {"id": US}},
        b"{broken",
        b'["SubscribeAction", 7, null]',
    ]
    requests = offered(*others, OFFER | {"target": "http://169.254.169.254/", "inbox": "http://x/"})
    assert len(requests) == 1


def test_an_answer_that_is_not_taken_is_tried_again(offered):
    requests = offered(
        OFFER, answers=lambda _, number: (503 if number < 2 else 200, {}, b""), count=2
    )
    assert len(requests) == 2
    redirected = offered(
        OFFER, answers=lambda *_: (302, {"location": "http://169.254.169.254/"}, b"")
    )
    assert {path for path, *_ in redirected} == {"/inbox/"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("agent = 'a'\nobject = 'b'", "subscriptions.pod.inbox: expected an address"),
        ("agent = 7\nobject = 'b'\ninbox = 'c'", "subscriptions.pod.agent: expected an address"),
        ("agent = 'a'\nobject = 'b'\ninbox = 'c'\nmore = 1", "subscriptions.pod.more: no such"),
        ("agent = 'a'\nobject = 'b'\ninbox = 'c'\nsecret = ''", "expected a secret"),
    ],
)
def test_a_subscription_that_cannot_be_used_is_said_so(tmp_path, table, said):
    config = tmp_path / "serve.toml"
    config.write_text(f"[subscriptions.pod]\n{table}")
    with pytest.raises(SettingsError, match=said.replace(".", r"\.")):
        Settings.load(config, {})
    config.write_text("subscriptions = 7")
    with pytest.raises(SettingsError, match="expected a table for each"):
        Settings.load(config, {})


def ask(served, path, origin):
    headers = {} if origin is None else {"WebHook-Request-Origin": origin}
    headers |= {"WebHook-Request-Callback": "http://169.254.169.254/"}
    return served.client.options(path, headers=headers)


def test_a_sender_that_is_configured_may_deliver_cloud_events(serve):
    hook = {"scheme": "stripe", "source": "network", "secrets": ["x"]}
    served = serve(origins=["sender.example.com"], hooks={"crm": hook})
    for path in ("/inbox/", "/publish/", "/hooks/crm"):
        answer = ask(served, path, "Sender.example.com")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["webhook-allowed-origin"] == "Sender.example.com"
        assert answer.headers["webhook-allowed-rate"] == "*"
        assert answer.headers["allow"] == "POST"
        for origin in ("evil.example.com", "", None, "*"):
            problem(ask(served, path, origin), 405, "method_not_allowed")
    problem(ask(served, "/hooks/other", "sender.example.com"), 404, "not_found")
    problem(ask(served, "/leads", "sender.example.com"), 405, "method_not_allowed")


def test_any_sender_may_deliver_where_all_may_and_nobody_where_none_is_configured(serve):
    served = serve(origins=["*"], rate=2.0)
    answer = ask(served, "/inbox/", "any.example.com")
    assert answer.headers["webhook-allowed-origin"] == "any.example.com"
    assert answer.headers["webhook-allowed-rate"] == "120"
    problem(ask(serve(), "/inbox/", "any.example.com"), 405, "method_not_allowed")


def test_whoevers_contact_is_deleted_is_erased_if_that_is_set(serve, path):
    served = serve(on_contact_delete="erase")
    person = {"crm": "77"}
    message = lead("add", "10:00", contact=person, snapshot={"note": "Zaphod Beeblebrox"})
    served.post("/inbox/", [message, lead("add", "10:00", keys="2")])
    served.post("/inbox/", deletion("11:00", person))
    assert served.get("/leads/erased:1")["state"] == "sent"
    problem(served.client.get("/leads/crmleadid:1"), 404, "unknown_lead")
    # Traces go beside the next requests, without a restart.
    until(lambda: b"Beeblebrox" not in path.read_bytes())
    served.terminate()
    with LeadStore(path) as store:
        assert store.verify().defects == ()
        assert store.purge() is False


def test_who_is_deleted_is_kept_where_nothing_is_set(serve):
    served = serve()
    person = {"crm": "77"}
    served.post("/inbox/", [lead("add", "10:00", contact=person), deletion("11:00", person)])
    assert served.get("/leads/crmleadid:1")["contact_deleted_at"]


def test_purges_leave_the_writer_most_of_its_time(path):
    now = [0.0]
    purging = Purging(lambda: now[0])
    with LeadStore(path, on_contact_delete="erase") as store:
        assert purging.seconds_left(store) == 0.0
        purging.run(store)
        assert purging.seconds_left(store) is None
        person = {"crm": "77"}
        store.apply_many([lead("add", "10:00", contact=person), deletion("11:00", person)])
        assert purging.seconds_left(store) == 1.0
        assert not purging.is_overdue(purging.seconds_left(store))
        now[0] = 70.0
        assert purging.is_overdue(purging.seconds_left(store))
        with LeadStore(path) as other:
            list(other.leads())
        purging.finish(store)
        assert purging.seconds_left(store) is None


def test_a_purge_that_cannot_be_done_is_tried_again(path, monkeypatch, caplog):
    from lifecycle.errors import PurgeIncompleteError  # noqa: PLC0415

    def fails(_):
        raise PurgeIncompleteError("leads.db", "somebody still reads it")

    purging = Purging(time.monotonic)
    with LeadStore(path, on_contact_delete="erase") as store:
        monkeypatch.setattr(LeadStore, "purge", fails)
        purging.run(store)
        assert purging.seconds_left(store) > 0.5
        assert "has left traces" in caplog.text
        monkeypatch.undo()
        purging.finish(store)
        assert purging.seconds_left(store) is None


def test_the_settings_name_what_becomes_of_the_deleted(tmp_path):
    config = tmp_path / "serve.toml"
    config.write_text("on_contact_delete = 'forget'")
    with pytest.raises(SettingsError, match="on_contact_delete: expected keep or erase"):
        Settings.load(config, {})
    config.write_text("on_contact_delete = 'erase'")
    assert Settings.load(config, {}).on_contact_delete == "erase"
    environment = {"LIFECYCLE_SERVE_ON_CONTACT_DELETE": "keep"}
    assert Settings.load(config, environment).on_contact_delete == "keep"
