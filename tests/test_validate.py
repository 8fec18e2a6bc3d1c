"""``validate`` says what a message breaks, of its schema and of what the decoder accepts."""

import gzip
import json
import subprocess
import sys
import tracemalloc

import jsonschema_rs
import pytest
from conftest import SEEDS
from hypothesis import given
from letters import ADA, lead
from worlds import messages

from lifecycle import decode, validate
from lifecycle.errors import MessageError
from lifecycle.messages import MAX_BYTES, Decoded, Ignored, checked, read_message, validation
from lifecycle.messages.parse import canonical

DATE_TIME = 'should match format "date-time"'


def accept(**changes):
    return lead("accept", "10:00", id="urn:1", agent=ADA) | changes


def told(message):
    return [str(one) for one in validate(message)]


def keywords(message):
    return {one.place: one.keyword for one in validate(message)}


# --- the seeds ------------------------------------------------------------------------------------

PARTIES = {f"data.object.{name}": "format" for name in ("owner", "recipient", "sender")}
#: Every example of the documents, and the rule that it breaks: the table in docs/validate.md.
EXAMPLES = {
    "000_reject.json": PARTIES,
    "001_accept.json": {name.removeprefix("data."): "format" for name in PARTIES},
    "002_accept.json": PARTIES | {"data.agent": "format"},
    "002_add.json": PARTIES,
    "002_assign.json": PARTIES,
    "002_reject.json": PARTIES,
    "002_retract.json": {"data.agent": "format", "data.recipient.id": "format"},
    "002_update.json": PARTIES,
    "003_notification.txt": {"": "not_json"},
    "004_delete.json": {"data.object": "anyOf"},
    "004_delete_commented_out.txt": {"": "not_json"},
}


def test_every_example_of_the_documents_is_listed():
    assert set(EXAMPLES) == {file.name for file in SEEDS.iterdir()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_breaks_these_rules_and_no_other(name):
    text = (SEEDS / name).read_text()
    assert keywords(text) == EXAMPLES[name]
    (found,) = checked(text)
    assert found.is_decoded == isinstance(next(read_message(text)), Decoded)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.endswith(".json")])
def test_an_example_whose_placeholders_are_filled_in_is_valid(name):
    message = json.loads((SEEDS / name).read_text().replace("***************", "0031U"))
    text = json.dumps(message)
    for placeholder in ("lead-recipient", "lead-sender", "lead-owner", "lead-admin"):
        text = text.replace(f"{{{placeholder}}}", placeholder)
    assert told(text.replace("{the-user-who-accepted-the-item}", "ada")) == []


# --- what is said ---------------------------------------------------------------------------------


@given(messages())
def test_a_message_is_decoded_when_all_that_is_wrong_is_a_format(message):
    (found,) = checked(message)
    assert found.is_decoded == isinstance(next(read_message(message)), Decoded)


def test_a_valid_message_breaks_nothing():
    assert validate(accept()) == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"time": "2026-03-01"}, [f"time: {DATE_TIME}, got '2026-03-01' (format)"]),
        (
            {"time": "2026-03-01T10:00:00"},
            [f"time: {DATE_TIME}, got '2026-03-01T10:00:00' (format)"],
        ),
        (
            {"time": "2026-03-01T10:00:00+0000"},
            [f"time: {DATE_TIME}, got '2026-03-01T10:00:00+0000' (format)"],
        ),
        ({"time": 5}, ["time: expected a time, got a number (type)"]),
        (
            {"time": "soon"},
            ["time: expected a time such as 2026-03-01T10:00:00Z, got 'soon' (pattern)"],
        ),
        (
            {"time": None},
            ["time: expected a time: none is stated, and no date says when it happened (anyOf)"],
        ),
        (
            {"time": None, "timestamp": 1e30},
            ["timestamp: expected milliseconds since 1970, got 1e+30 (anyOf)"],
        ),
        (
            {"time": None, "timestamp": 1},
            ["timestamp: expected a time from 1990 on, got 1970-01-01T00:00:01Z (anyOf)"],
        ),
        ({"data": 5}, ["data: expected an object, got a number (type)"]),
        ({"data": {}}, ["data.object: expected an object, got nothing (required)"]),
        (
            {"data": {"object": {"identifier": {"x": {}, "y": []}}}},
            [
                "data.object.identifier.x: expected a text or a number, got an object (type)",
                "data.object.identifier.y: should be null,boolean,number,string (type)",
            ],
        ),
        ({"id": "7"}, ["id: should match format \"uri\", got '7' (format)"]),
        ({"id": 7}, []),
        (
            {"originalRecipient": ""},
            ["originalRecipient: should match format \"uri\", got '' (format)"],
        ),
        ({"agent": {"name": "Ada"}}, []),
    ],
    ids=str,
)
def test_each_thing_is_said_once_and_in_the_clearer_words(change, expected):
    assert told(accept(**change)) == expected


@pytest.mark.parametrize(
    "uri", ["http://{lead-owner}.example.com/#me", "ada", "http://a b", "http://ä.example.com", "|"]
)
def test_a_party_is_a_uri(uri):
    data = accept()["data"]
    assert keywords(accept(data=data | {"agent": uri})) == {"data.agent": "format"}
    assert keywords(accept(data=data | {"agent": {"@id": uri}})) == {"data.agent.@id": "format"}


@pytest.mark.parametrize("uri", [ADA, "urn:x:1", "mailto:a@example.com", "http://[::1]/"])
def test_uris_are_of_any_scheme(uri):
    assert told(lead("assign", "10:00", agent=uri, recipient={"id": uri})) == []


def test_what_stands_in_headers_or_in_no_envelope_is_found_where_it_stands():
    bad = accept(id="7", agent="x")
    headers = {name: bad[name] for name in ("id", "time", "agent")}
    apart = {"headers": headers, "payload": {"topic": bad["topic"], "data": bad["data"]}}
    assert set(keywords(apart)) == {"headers.id", "headers.agent"}
    bare = {"headers": headers, "payload": bad["data"] | {"type": "lead#accept", "agent": "y"}}
    assert set(keywords(bare)) == {"headers.id", "headers.agent", "payload.agent"}
    alone = bad["data"] | {"type": "lead#accept", "time": "x", "agent": "y"}
    assert keywords(alone) == {"agent": "format", "time": "pattern"}
    timeless = {"headers": {}, "payload": bare["payload"]}
    assert keywords(timeless)["headers.time"] == "anyOf"
    assert keywords({"headers": {"topic": 5}, "payload": {}}) == {"headers.topic": "invalid"}


def test_a_page_says_in_which_message():
    found = validate({"contains": [accept(), accept(id="7"), 5]})
    assert [(one.place, one.data_path) for one in found] == [
        ("contains[1].id", ".contains[1].id"),
        ("contains[2]", ".contains[2]"),
    ]
    assert [one.place for one in validate([accept(id="7")])] == ["[0].id"]


def test_paths_are_written_as_code_would():
    message = lead("assign", "10:00", keys={"a'b\\c": {}}, snapshot={"object": {"@id": []}})
    assert [one.data_path for one in validate(message)] == [
        r".data.object.identifier['a\'b\\c']",
        ".data.object.object['@id']",
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[[1,", "not_json"),
        ("[" * 65 + "]" * 65, "too_deep"),
        ('{"a":1,"a":2}', "duplicate_key"),
        (b'"' + b"x" * MAX_BYTES + b'"', "too_large"),
        (b'"\xff"', "not_utf8"),
        ("5", "invalid"),
        ('{"operationName": "Reject"}', "no_topic"),
    ],
)
def test_what_no_schema_can_say_has_the_code_of_its_problem(text, code):
    (found,) = validate(text)
    assert (found.keyword, found.schema_path, found.params) == (code, "#", {})


def test_a_keyword_of_schemas_to_come_has_words_too(monkeypatch):
    strict = {"not": {"required": ["id"]}, "properties": {"time": {"const": 5}}}
    checker = jsonschema_rs.Draft202012Validator(strict)
    monkeypatch.setattr(validation, "_validator", lambda _: checker)
    assert told(accept()) == [
        'should pass "not" keyword validation (not)',
        'time: should pass "const" keyword validation (const)',
    ]


def test_a_topic_that_does_not_concern_leads_is_ignored():
    (found,) = checked({"topic": "website#view", "data": 5})
    assert (found.is_ignored, found.is_valid, found.is_decoded) == (True, True, False)
    assert found.as_dict() == {"isValid": True, "ignored": "website#view"}


def test_what_json_cannot_say_is_the_mistake_of_the_caller():
    with pytest.raises(TypeError):
        validate({"data": {1, 2}})


@given(messages())
def test_a_message_without_a_problem_decodes_to_an_event(message):
    if validate(message):
        return
    (reading,) = read_message(message)
    assert isinstance(reading, (Decoded, Ignored))
    if isinstance(reading, Decoded):
        assert decode(canonical(message)).id == reading.event.id


def test_where_the_decoder_refuses_something_is_said():
    for change in ({"time": []}, {"id": {}}, {"data": None}, {"topic": 5}):
        with pytest.raises(MessageError):
            decode(accept(**change))
        assert told(accept(**change))


# --- the command ----------------------------------------------------------------------------------


def test_the_json_is_that_of_the_network(lifecycle):
    done = lifecycle("validate", SEEDS / "002_retract.json", "--format", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "isValid": False,
        "error": {
            "message": "2 problems; decoded all the same",
            "items": [
                {
                    "keyword": "format",
                    "dataPath": ".data.agent",
                    "schemaPath": "#/$defs/oneParty/format",
                    "params": {"format": "uri"},
                    "message": 'should match format "uri"',
                },
                {
                    "keyword": "format",
                    "dataPath": ".data.recipient.id",
                    "schemaPath": "#/$defs/oneParty/properties/id/format",
                    "params": {"format": "uri"},
                    "message": 'should match format "uri"',
                },
            ],
        },
    }


def test_of_a_valid_message_it_is_short(lifecycle):
    done = lifecycle("validate", "-", "--format", "json", stdin=json.dumps(accept()))
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"isValid": True})


def test_several_messages_say_where_they_stand(lifecycle, write_log):
    log = write_log([accept(), accept(id="7"), [accept(), accept()]])
    lines = lifecycle("validate", log, "--format", "jsonl").stdout.splitlines()
    found = [json.loads(one) for one in lines]
    assert [(one["line"], one["isValid"]) for one in found] == [
        (1, True),
        (2, False),
        (3, True),
        (3, True),
    ]
    assert {one["file"] for one in found} == {str(log)}
    assert json.loads(lifecycle("validate", log, "--format", "json").stdout) == found


def test_people_get_a_line_for_each_problem_and_a_summary(lifecycle, write_log):
    log = write_log([accept(), accept(id="7"), "5", {"topic": "website#view", "data": {}}])
    done = lifecycle("validate", log)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        f"{log}:2: id: should match format \"uri\", got '7' (format); decoded all the same",
        f"{log}:3: expected an object, got a number (invalid)",
    ]
    assert done.stderr.splitlines() == [
        ("4 messages: 1 valid, 2 invalid (1 decoded all the same), 1 ignored (website#view 1)")
    ]


def test_files_may_be_packed_and_several(lifecycle, write_log, tmp_path):
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(write_log([accept()] * 3).read_bytes()))
    done = lifecycle("validate", packed, write_log([accept()]))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "4 messages: 4 valid, 0 invalid\n"


def test_a_message_over_several_lines_is_one_even_when_it_is_broken(lifecycle, tmp_path):
    file = tmp_path / "message.json"
    file.write_text(json.dumps(accept(), indent=2))
    assert lifecycle("validate", file).exit_code == 0
    assert lifecycle("validate", "-", stdin=file.read_text()).exit_code == 0
    file.write_text(json.dumps(accept(), indent=2).replace('"topic"', "topic"))
    done = lifecycle("validate", file)
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{file}:1: not valid JSON: ")
    assert len(done.stdout.splitlines()) == 1


def test_lines_that_are_all_broken_are_each_a_problem(lifecycle, write_log):
    assert len(lifecycle("validate", write_log(["{'a':1}", "{'b':2}"])).stdout.splitlines()) == 2
    assert len(lifecycle("validate", write_log(["{'a':", '{"b":2}'])).stdout.splitlines()) == 2


@pytest.mark.parametrize("style", ["table", "json", "jsonl"])
@pytest.mark.parametrize("text", ["", "\n\n", "[]", '{"contains": []}'])
def test_an_empty_file_says_so(lifecycle, tmp_path, text, style):
    file = tmp_path / "empty"
    file.write_text(text)
    done = lifecycle("validate", file, "--format", style)
    assert done.exit_code == 0
    assert done.stdout.strip() in ("", "[]")
    assert done.stderr.startswith(f"{file}: no message in it\n")


def test_what_cannot_be_read_is_no_verdict(lifecycle, tmp_path):
    assert lifecycle("validate", tmp_path / "nowhere").exit_code == 3
    assert lifecycle("validate", tmp_path).exit_code == 3
    assert lifecycle("validate", "-", "-").exit_code == 2
    assert lifecycle("validate").exit_code == 2


def test_a_line_beyond_the_limit_is_a_problem(lifecycle, tmp_path):
    log = tmp_path / "log"
    log.write_text(json.dumps(accept(more="x" * MAX_BYTES)) + "\n" + json.dumps(accept()) + "\n")
    done = lifecycle("validate", log)
    assert done.exit_code == 1
    assert "larger than 1,048,576 bytes" in done.stdout
    assert done.stdout.rstrip().endswith("(too_large)")


def test_what_a_terminal_would_obey_is_shown_as_an_escape(lifecycle, write_log):
    log = write_log([accept(time="\x1b[2J\u202e"), {"topic": "\x1b[2Jx#y", "data": {}}])
    for style in ("table", "json", "jsonl"):
        done = lifecycle("validate", log, "--format", style)
        assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)


@pytest.mark.usefixtures("uncovered")
def test_memory_stays_flat(lifecycle, write_log):
    def peak(number):
        log = write_log([accept()] * number)
        assert log.stat().st_size > MAX_BYTES
        tracemalloc.start()
        assert lifecycle("validate", log).exit_code == 0
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(4000)
    assert peak(10_000) < peak(4000) + 100_000


def test_the_validator_is_imported_only_where_it_is_asked_for():
    code = (
        "import sys, lifecycle.cli; from lifecycle import decode, message_schema, validate;"
        " sys.exit('jsonschema_rs' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
