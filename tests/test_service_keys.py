"""Keys of the service: made, shown once, kept as hashes, revoked; and what each allows."""

import tomllib

import pytest
from letters import lead
from served import problem

from lifecycle.service.access import Rates
from lifecycle.service.keys import KeyFile
from lifecycle.service.problems import ProblemError


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "keys.toml"


@pytest.fixture
def make(lifecycle, key_file):
    """Make a key with these scopes."""

    def run(name, *scopes):
        options = [part for scope in scopes for part in ("--scope", scope)]
        done = lifecycle("serve", "keys", "add", key_file, name, *options)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    return run


def test_a_key_is_printed_once_and_kept_as_a_hash_that_its_owner_alone_may_read(
    make, key_file, lifecycle
):
    secret = make("crm", "read", "write")
    assert secret.startswith("lck_")
    assert len(secret) == 47
    assert secret not in key_file.read_text()
    assert len(tomllib.loads(key_file.read_text())["crm"]["sha256"]) == 64
    assert key_file.stat().st_mode & 0o777 == 0o600
    listed = lifecycle("serve", "keys", "list", key_file, "--format", "csv")
    assert listed.stdout.splitlines() == ["name,scopes", 'crm,"read, write"']
    again = lifecycle("serve", "keys", "add", key_file, "crm", "--scope", "read")
    assert again.exit_code == 2
    assert "there is a key 'crm' already" in again.stderr


def test_each_scope_allows_what_it_names_and_admin_everything(make, serve, key_file):
    secrets = {scope: make(scope, scope) for scope in ("read", "write", "admin")}
    served = serve(keys=str(key_file))
    for scope, secret in secrets.items():
        headers = {"x-api-key": secret}
        written = served.post("/inbox/", lead("add", "10:00"), headers=headers)
        figures = served.client.get("/metrics", headers={"Authorization": f"Bearer {secret}"})
        assert written.status_code == (403 if scope == "read" else 201)
        assert figures.status_code == (403 if scope == "write" else 200)
        if scope == "read":
            problem(written, 403, "missing_scope")
    assert served.client.get("/livez").status_code == 200
    assert served.client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": "lck_wrong"},
        {"x-api-key": b"\xff\xfe"},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer"},
        {"cookie": "x-api-key=lck_wrong"},
    ],
    ids=["none", "wrong", "bytes", "basic", "empty", "cookie"],
)
def test_without_a_known_key_nothing_is_told(make, serve, key_file, headers):
    make("crm", "admin")
    served = serve(keys=str(key_file))
    answer = served.client.get("/metrics", headers=headers)
    problem(answer, 401, "no_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_that_is_made_or_revoked_counts_at_once(make, serve, key_file, lifecycle):
    first = make("crm", "admin")
    served = serve(keys=str(key_file))
    second = make("sync", "admin")
    assert served.client.get("/metrics", headers={"x-api-key": second}).status_code == 200
    assert lifecycle("serve", "keys", "revoke", key_file, "crm").exit_code == 0
    problem(served.client.get("/metrics", headers={"x-api-key": first}), 401, "no_key")
    gone = lifecycle("serve", "keys", "revoke", key_file, "crm")
    assert (gone.exit_code, "there is no key 'crm'" in gone.stderr) == (2, True)


def test_a_key_is_compared_with_all_of_them_in_constant_time(make, key_file, monkeypatch):
    make("first", "read")
    secret = make("second", "read")
    make("third", "read")
    compared = []

    def compare(one, other):
        compared.append(one)
        return one == other

    monkeypatch.setattr("lifecycle.service.keys.hmac.compare_digest", compare)
    keys = KeyFile(key_file)
    for tried, name in ((secret, "second"), ("lck_wrong", None), ("", None)):
        found = keys.find(tried)
        assert (found and found.name) == name
        assert len(compared) == 3
        compared.clear()


def test_with_keys_any_address_may_be_listened_at(make, key_file, lifecycle, path):
    make("crm", "read")
    config = key_file.with_name("serve.toml")
    config.write_text('host = "0.0.0.0"\nkeys = "keys.toml"\n')
    assert lifecycle("serve", path, "--config", config, "--check").exit_code == 0


@pytest.mark.parametrize(
    "text", ["[crm]\n", "crm = 1", "= ", '[crm]\nsha256 = "x"\nscopes = ["all"]']
)
def test_a_file_that_holds_no_keys_is_not_overwritten(key_file, lifecycle, text):
    key_file.write_text(text)
    done = lifecycle("serve", "keys", "add", key_file, "crm", "--scope", "read")
    assert (done.exit_code, "is no file of keys" in done.stderr) == (2, True)
    assert key_file.read_text() == text


def test_who_asks_too_often_waits(make, serve, key_file):
    one, other = make("one", "admin"), make("other", "admin")
    served = serve(keys=str(key_file), rate=1.0)
    codes = [
        served.client.get("/metrics", headers={"x-api-key": one}).status_code for _ in range(6)
    ]
    assert codes[0] == 200
    assert codes[-1] == 429
    answer = served.client.get("/metrics", headers={"x-api-key": one})
    problem(answer, 429, "too_many_requests")
    assert int(answer.headers["retry-after"]) >= 1
    assert served.client.get("/metrics", headers={"x-api-key": other}).status_code == 200


def test_a_rate_gives_back_what_time_passes():
    now = [0.0]
    rates = Rates(2.0, lambda: now[0])
    for _ in range(4):
        rates.count("one")
    with pytest.raises(ProblemError):
        rates.count("one")
    now[0] += 0.5
    rates.count("one")
    with pytest.raises(ProblemError):
        rates.count("one")
