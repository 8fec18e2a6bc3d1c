"""Webhooks: signed by four schemes, taken in when the signature is valid, and not otherwise."""

import base64
import hmac
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from letters import lead
from served import problem
from standardwebhooks import Webhook

from lifecycle import LeadStore

OLD, NEW = "the-old-secret", "the-new-secret"
WHSEC = ["whsec_" + base64.b64encode(one.encode() * 2).decode() for one in (OLD, NEW)]
SAMPLES = Path(__file__).parents[1] / "docs" / "samples"


def network(body, secret=NEW, **_):
    return {"X-Signature": f"sha1={hmac.new(secret.encode(), body, 'sha1').hexdigest()}"}


def standard(body, secret=NEW, age=0, **_):
    at = datetime.fromtimestamp(time.time() - age, UTC)
    key = WHSEC[secret == NEW] if secret in {OLD, NEW} else "whsec_" + "d3Jvbmc="
    signature = Webhook(key).sign("msg_1", at, body.decode("utf-8", "replace"))
    stamp = str(int(at.timestamp()))
    return {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature}


def stripe(body, secret=NEW, age=0, **_):
    stamp = str(int(time.time() - age))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, "sha256").hexdigest()
    return {"Stripe-Signature": f"t={stamp},v0=abc,v1={digest}"}


def hubspot(body, secret=NEW, age=0, url="", **_):
    stamp = str(int((time.time() - age) * 1000))
    signed = b"POST" + url.encode() + body + stamp.encode()
    digest = base64.b64encode(hmac.new(secret.encode(), signed, "sha256").digest()).decode()
    return {"X-HubSpot-Signature-v3": digest, "X-HubSpot-Request-Timestamp": stamp}


SCHEMES = {"network": network, "standard": standard, "stripe": stripe, "hubspot": hubspot}


@pytest.fixture
def hooks(serve, monkeypatch):
    """Return a service with a webhook of each scheme, that brings messages of the network."""

    def table(scheme):
        secrets = WHSEC if scheme == "standard" else [OLD, {"env": "NEW_SECRET"}]
        return {"scheme": scheme, "source": "network", "secrets": secrets}

    monkeypatch.setenv("NEW_SECRET", NEW)
    return serve(hooks={scheme: table(scheme) for scheme in SCHEMES})


def post(served, scheme, body, headers=None, **how):
    url = f"{served.url}/hooks/{scheme}"
    signed = SCHEMES[scheme](body, url=url, **how) if headers is None else headers
    return served.client.post(f"/hooks/{scheme}", content=body, headers=signed)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_signed_message_is_on_disk_when_it_is_answered(hooks, scheme):
    for number, secret in enumerate((OLD, NEW), 1):
        body = json.dumps(lead("add", "10:00", keys=str(number), contact={"é": "ü"})).encode()
        answer = post(hooks, scheme, body, secret=secret)
        assert answer.status_code == 201, answer.text
        assert answer.json()["lead_id"] == f"crmleadid:{number}"
    assert hooks.terminate() == 0
    with LeadStore(hooks.database) as store:
        assert store.lead_count() == 2


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_not_signed_as_it_must_be_is_refused(hooks, scheme):
    body = json.dumps(lead("add", "10:00")).encode()
    good = SCHEMES[scheme](body, url=f"{hooks.url}/hooks/{scheme}")
    problem(post(hooks, scheme, body, secret=OLD[::-1]), 401, "bad_signature")
    problem(post(hooks, scheme, body, headers={}), 401, "bad_signature")
    problem(post(hooks, scheme, body + b" ", headers=good), 401, "bad_signature")
    for name in good:
        without = {one: text for one, text in good.items() if one != name}
        problem(post(hooks, scheme, body, headers=without), 401, "bad_signature")
        for text in (b"\xff\xfe", "", "v1,", "v1,=,", "t=,v1=", "sha1=", "9" * 400, "nan", "x,y z"):
            problem(post(hooks, scheme, body, headers=good | {name: text}), 401, "bad_signature")
    assert post(hooks, scheme, body, headers=good).status_code == 201


@pytest.mark.parametrize("scheme", ["standard", "stripe", "hubspot"])
@pytest.mark.parametrize("age", [310, -310])
def test_a_signature_of_another_time_is_refused(hooks, scheme, age):
    body = json.dumps(lead("add", "10:00")).encode()
    problem(post(hooks, scheme, body, age=age), 401, "bad_signature")
    assert post(hooks, scheme, body, age=age * 0.9).status_code == 201


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_delivery_that_is_replayed_changes_nothing(hooks, scheme):
    body = json.dumps(lead("add", "10:00")).encode()
    headers = SCHEMES[scheme](body, url=f"{hooks.url}/hooks/{scheme}")
    kinds = [post(hooks, scheme, body, headers=headers).json()["outcome"] for _ in range(3)]
    assert kinds == ["applied", "duplicate", "duplicate"]


def test_one_of_several_signatures_is_enough(hooks):
    body = json.dumps(lead("add", "10:00")).encode()
    headers = standard(body)
    stated = headers["webhook-signature"]
    headers["webhook-signature"] = f"v1a,xyz v1,!! broken v1,{'A' * 43}= {stated}"
    assert post(hooks, "standard", body, headers=headers).status_code == 201
    headers = stripe(body)
    headers["Stripe-Signature"] = headers["Stripe-Signature"].replace("v1=", "v1=00,v1=")
    assert post(hooks, "stripe", body, headers=headers).status_code == 201


def test_a_signature_is_no_key_to_another_webhook_or_address(hooks):
    body = json.dumps(lead("add", "10:00")).encode()
    headers = hubspot(body, url=f"{hooks.url}/hooks/other")
    problem(post(hooks, "hubspot", body, headers=headers), 401, "bad_signature")
    problem(post(hooks, "stripe", body, headers=network(body)), 401, "bad_signature")
    answer = hooks.client.post("/hooks/nobody", content=body, headers=network(body))
    problem(answer, 404, "not_found")


def test_a_broken_message_that_is_signed_is_kept(hooks):
    for scheme, body in (("network", b"\xff{"), ("stripe", b"{broken"), ("standard", b"{}")):
        assert post(hooks, scheme, body).json()["outcome"] == "quarantined"


def signed_by_hubspot(served, body, url):
    headers = hubspot(body, url=url)
    return served.client.post("/hooks/crm", content=body, headers=headers)


def test_notifications_of_hubspot_become_what_an_import_makes_of_them(serve, lifecycle, tmp_path):
    samples = [SAMPLES / "hubspot.json", SAMPLES / "hubspot-webhooks.json"]
    imported = tmp_path / "imported.db"
    assert lifecycle("import", "hubspot", imported, *samples).exit_code in {0, 1}
    address = "https://leads.example.com/hooks/crm?a=%2F"
    secrets = [{"file": str(tmp_path / "secret")}]
    (tmp_path / "secret").write_text(f"{NEW}\n")
    hook = {"scheme": "hubspot", "secrets": secrets, "url": address}
    served = serve(hooks={"crm": hook})
    url = address.replace("%2F", "/")
    for sample in reversed(samples):
        answer = signed_by_hubspot(served, sample.read_bytes(), url)
        assert answer.status_code == 201, answer.text
        told = answer.json()
        if "webhooks" in sample.name:
            assert told["left_out"] == {"field city": 1, "webhook deal.creation": 1}
            assert len(told["outcomes"]) == 2
    again = signed_by_hubspot(served, samples[1].read_bytes(), url).json()
    assert [one["outcome"] for one in again["outcomes"]] == ["duplicate", "duplicate"]
    served.terminate()
    with LeadStore(imported) as one, LeadStore(served.database) as other:
        assert one.digest() == other.digest()


@pytest.mark.parametrize("body", [b'[{"what": 1}]', b"{", b"\xff", b"[" * 100])
def test_a_notification_that_cannot_be_read_is_kept_as_it_came(serve, body):
    served = serve(hooks={"crm": {"scheme": "network", "source": "hubspot", "secrets": [NEW]}})
    answer = served.client.post("/hooks/crm", content=body, headers=network(body))
    assert answer.status_code == 201, answer.text
    assert [one["outcome"] for one in answer.json()["outcomes"]] == ["quarantined"]
    (kept,) = served.get("/quarantine")["quarantine"]
    assert kept["problems"][0]["code"] == "no_notification"
    assert "notification" not in kept["problems"][0]["message"]
    assert served.get(f"/quarantine/{kept['id']}")["raw"].encode() == body or body == b"\xff"


def test_notifications_of_a_contact_centre_become_field_changes(serve):
    served = serve(hooks={"cc": {"scheme": "network", "source": "genesys", "secrets": [NEW]}})
    body = (SAMPLES / "genesys.jsonl").read_bytes()
    answer = served.client.post("/hooks/cc", content=body, headers=network(body))
    assert answer.status_code == 201, answer.text
    assert {one["outcome"] for one in answer.json()["outcomes"]} <= {"applied", "noted", "refused"}
    assert served.get("/leads")["leads"]


def test_a_secret_that_cannot_be_used_is_found_before_it_is_needed(lifecycle, path, tmp_path):
    config = tmp_path / "serve.toml"
    for text, said in [
        ("secrets = ['whsec_']", "hooks.a.secrets: expected base64"),
        ("secrets = ['']", "hooks.a.secrets: expected a secret"),
        ("secrets = [{file = 'gone'}]", "hooks.a.secrets: the file gone: cannot be read"),
        ("secrets = [{env = 'A', more = 1}]", "hooks.a.secrets: expected a text"),
        ("secrets = ['YQ==']\nsource = 'sap'", "hooks.a.source: expected one of network"),
        ("secrets = ['YQ==']\nurl = 7", "hooks.a.url: expected an address"),
    ]:
        config.write_text(f"[hooks.a]\nscheme = 'standard'\n{text}")
        done = lifecycle("serve", path, "--config", config, "--check")
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_signatures_are_compared_in_constant_time(monkeypatch):
    from lifecycle.service.settings import Hook  # noqa: PLC0415
    from lifecycle.service.signatures import Delivery, check_signature  # noqa: PLC0415

    compared = []
    real = hmac.compare_digest

    def compare(one, other):
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr("hmac.compare_digest", compare)
    for scheme, sign in SCHEMES.items():
        headers = {name.lower(): text for name, text in sign(b"{}", url="u").items()}
        secrets = tuple(WHSEC) if scheme == "standard" else (OLD, NEW)
        hook = Hook(scheme, "network", secrets)
        check_signature(hook, Delivery("POST", "u", headers, b"{}", time.time()))
        assert len(compared) == 2
        compared.clear()


def test_a_notification_of_very_many_changes_is_too_many(serve):
    hook = {"scheme": "network", "source": "genesys", "secrets": [NEW]}
    served = serve(hooks={"cc": hook}, messages=1)
    body = (SAMPLES / "genesys.jsonl").read_bytes()
    answer = served.client.post("/hooks/cc", content=body, headers=network(body))
    problem(answer, 413, "body_too_large")
    assert served.get("/leads")["leads"] == []
