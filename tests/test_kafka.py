"""Topics are read into a store, each record once, from a cluster of librdkafka's own."""

import base64
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from letters import lead
from worlds import NOW

from lifecycle import LeadStore
from lifecycle.errors import FullStoreError, InputError, StoreError
from lifecycle.kafka import Client, DeadLetters, consume, open_client, read_settings

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "tortures"))
from cluster import Cluster

sys.path.pop(0)

TOPIC = "leads"


@pytest.fixture(scope="module")
def cluster():
    made = Cluster(1)
    yield made
    made.close()


@pytest.fixture
def topic(cluster, request):
    """Return a topic of its own for each test, of two partitions."""
    name = request.node.name[:60].replace("[", "-").replace("]", "")
    cluster.create(name, 2)
    return name


@pytest.fixture
def run(store, cluster, topic):
    """Read the topic into the store, to its end."""

    def read(**options):
        stopping = options.pop("stopping", threading.Event())
        with open_client(cluster.bootstrap, [topic], group=options.pop("group", None)) as client:
            options = {"until_end": True} | options
            return consume(store, client, stopping=stopping, **options).as_dict()

    return read


def texts(*messages):
    return [json.dumps(one).encode() for one in messages]


def produce(cluster, topic, *records):
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for value, headers in records:
        producer.produce(topic, value, b"key", partition=0, headers=headers)
    assert producer.flush(20) == 0


def test_messages_are_read_in_every_envelope_and_what_is_none_is_kept(cluster, topic, store, run):
    plain, structured, binary, outbox, connect, marked = (
        lead("add", f"10:0{number}", keys=str(number)) for number in range(1, 7)
    )
    event = {"specversion": "1.0", "id": "e", "source": "/", "type": structured["topic"]}
    event |= {"time": structured["time"], "data": structured["data"]}
    headers = {"ce_specversion": "1.0", "ce_id": "b", "ce_source": "/", "other": "x"}
    headers |= {"ce_type": binary["topic"], "ce_time": binary["time"], "ce_none": None}
    row = {"op": "c", "after": {"id": "1", "payload": json.dumps(outbox)}}
    produce(
        *(cluster, topic),
        (json.dumps(plain), None),
        (json.dumps(event), {"content-type": "application/cloudevents+json"}),
        (json.dumps(binary["data"]), headers),
        (json.dumps(row), None),
        (json.dumps({"schema": None, "payload": connect}), None),
        (b"\0\0\0\0\x07" + json.dumps(marked).encode(), None),
        (b"\0{", None),
        (json.dumps({"op": "d", "before": {"id": "1"}, "after": None, "source": {}}), None),
        (None, None),
    )
    dead = f"{topic}.dead"
    cluster.create(dead, 1)
    told = run(dead_letters=DeadLetters(cluster.bootstrap, dead, {}), group="watched")
    outcomes = {"applied": 6, "ignored": 2, "quarantined": 1}
    assert told == {"records": 9, "messages": 9, **outcomes, "lag": 0}
    assert {one.lead_id for one in store.leads()} == {f"crmleadid:{one}" for one in range(1, 7)}
    assert set(store.evidence().ignored) == {"kafka tombstone", "debezium, op d"}
    assert [store.quarantined(one).line for one in store.quarantine_numbers()] == [7]
    assert store.verify().sound
    reader = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "watched"})
    reader.assign([TopicPartition(dead, 0, 0)])
    letter = reader.poll(20)
    assert (letter.key(), letter.value()) == (b"key", b"\0{")
    about = dict(letter.headers())
    assert (about["lifecycle_topic"], about["lifecycle_offset"]) == (topic.encode(), b"6")
    assert b"not valid JSON" in about["lifecycle_problems"]
    (noted,) = reader.committed([TopicPartition(topic, 0)], timeout=20)
    assert noted.offset == 9
    reader.close()


def test_a_run_goes_on_where_the_store_is(cluster, topic, store, run):
    cluster.produce(topic, texts(*(lead("add", "10:00", keys=str(n)) for n in range(1, 6))), 2)
    assert run()["applied"] == 5
    assert run() == {"records": 0, "messages": 0, "lag": 0}
    cluster.produce(topic, texts(lead("accept", "10:01", keys="1")), 2)
    assert run()["records"] == 1
    streams = store.listing().pages().streams()
    assert [(one.topic, one.partition, one.offset, one.messages) for one in streams] == [
        (topic, 0, 4, 4),
        (topic, 1, 2, 2),
    ]
    assert [(one.end, one.lag) for one in streams] == [(4, 0), (2, 0)]
    again = run(restart=True)
    assert (again["records"], again["duplicate"]) == (6, 6)


def test_records_that_were_removed_before_they_were_read_are_a_sentence(cluster, topic, run):
    def fill(number):
        # Each flush is a set of records of its own, as retention removes them.
        cluster.produce(topic, texts(lead("add", "10:00", keys=str(number))), 1)

    fill(7)
    run()
    for number in range(1, 4):
        fill(number)
    cluster.remove_before(topic, 0, 3)
    with pytest.raises(InputError, match=r"/0: the next offset is 1, and the topic has 3 to 4"):
        run()
    assert run(restart=True)["applied"] == 1


def test_a_topic_that_was_made_anew_is_a_sentence(cluster, topic, run):
    cluster.produce(topic, texts(lead("add", "10:00")), 1)
    run()
    cluster.delete(topic)
    cluster.create(topic, 2)
    cluster.produce(topic, texts(lead("add", "10:00", keys="2"), lead("add", "10:00", keys="3")), 1)
    with pytest.raises(InputError, match="another record stands at offset 0 than the one that"):
        run()
    assert run(restart=True)["applied"] == 2


class Waits(threading.Event):
    """Is set when it was waited for so often; does something each time."""

    def __init__(self, act, times=99):
        super().__init__()
        self.act, self.times, self.waits = act, times, []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        self.act(len(self.waits))
        if len(self.waits) == self.times:
            self.set()
        return self.is_set()


def test_while_the_disk_is_full_nothing_is_read_and_then_it_goes_on(
    cluster, topic, store, run, caplog
):
    caplog.set_level(logging.INFO, "lifecycle")
    dead = f"{topic}.dead"
    cluster.create(dead, 1)
    many = [lead("add", "10:00", keys=str(number), text="x" * 999) for number in range(1, 301)]
    cluster.produce(topic, [*texts(*many), b"{"], 2)
    pragma = "PRAGMA max_page_count = {}"
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(pragma.format(pages + 2))
    with pytest.raises(FullStoreError, match="disk is full; nothing was written: make room"):
        store.apply_many([json.dumps(one) for one in many])
    gone = Waits(lambda _: None, times=2)
    assert run(stopping=gone)["records"] == 0
    assert (gone.waits, store.lead_count()) == ([1.0, 2.0], 0)

    def make_room(number):
        if number == 2:
            store._connection.execute(pragma.format(100_000))

    letters = DeadLetters(cluster.bootstrap, dead, {})
    told = run(stopping=Waits(make_room), dead_letters=letters)
    assert (told["applied"], told["quarantined"], told["lag"]) == (300, 1, 0)
    said = [one.getMessage() for one in caplog.records]
    assert sum("disk is full" in one for one in said) == 4
    assert "going on: the store can be written again" in said
    reader = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "any"})
    assert reader.get_watermark_offsets(TopicPartition(dead, 0), timeout=20) == (0, 1)
    reader.close()


def test_of_two_that_read_one_topic_into_a_store_one_gives_way(cluster, topic, path, monkeypatch):
    cluster.produce(topic, texts(*(lead("add", "10:00", keys=str(n)) for n in range(1, 10))), 1)
    read = Client.read

    def slowly(self, seconds):
        records = read(self, seconds)
        if records and monkeypatch is not None:
            monkeypatch.undo()
            assert fill().records == 9
        return records

    def fill():
        with (
            LeadStore(path, clock=lambda: NOW) as store,
            open_client(cluster.bootstrap, [topic]) as client,
        ):
            return consume(store, client, stopping=threading.Event(), until_end=True)

    monkeypatch.setattr(Client, "read", slowly)
    with pytest.raises(InputError, match="another process read on into the same store"):
        fill()
    with LeadStore(path, clock=lambda: NOW) as store:
        assert (store.lead_count(), sum(one.events for one in store.leads())) == (9, 9)


def test_partitions_that_are_added_later_are_read_too(cluster, topic, run, monkeypatch):
    cluster.produce(topic, texts(*(lead("add", "10:00", keys=str(n)) for n in range(1, 5))), 2)
    partitions, looks = Client.partitions, []

    def growing(self):
        name, found = partitions(self)
        looks.append(found)
        return name, found[: len(looks)]

    monkeypatch.setattr(Client, "partitions", growing)
    monkeypatch.setattr(sys.modules["lifecycle.kafka.consume"], "_LOOK", 0.0)
    assert run()["applied"] == 4


def test_it_waits_while_no_broker_answers_and_then_goes_on(cluster, topic, store, run, monkeypatch):
    module = sys.modules["lifecycle.kafka.consume"]
    monkeypatch.setattr(module, "_LOOK", 0.5)
    warned = threading.Event()
    monkeypatch.setattr(module._LOG, "warning", lambda *_: warned.set())
    told, stopping = [], threading.Event()
    cluster.produce(topic, texts(*(lead("add", "10:00", keys=str(n)) for n in range(1, 5))), 2)
    reading = threading.Thread(target=lambda: told.append(run(stopping=stopping, until_end=False)))
    reading.start()
    _until(lambda: store.lead_count() == 4)
    # Only now: where the first look fails, the run ends.
    monkeypatch.setattr("lifecycle.kafka.client._SECONDS", 0.3)
    cluster.stop_broker()
    assert warned.wait(30)
    cluster.start_broker()
    cluster.produce(topic, texts(*(lead("add", "10:00", keys=str(n)) for n in range(5, 9))), 2)
    _until(lambda: store.lead_count() == 8)
    stopping.set()
    reading.join(30)
    assert told[0]["records"] == 8


def _until(is_so):
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_topic_that_is_not_there_is_a_sentence(cluster, store):
    with (
        open_client(cluster.bootstrap, ["nobodys"]) as client,
        pytest.raises(InputError, match="the topic nobodys cannot be read: "),
    ):
        consume(store, client, stopping=threading.Event())


def test_records_of_another_system_are_field_changes(cluster, topic, store, run):
    header = {"entityName": "Lead", "recordIds": ["00Q5g00000AAAAAAA1"], "changeType": "UPDATE"}
    header |= {"commitTimestamp": 1772442000000, "changedFields": ["Status"]}
    event = {"ChangeEventHeader": header, "Status": "Working - Contacted"}
    cluster.produce(topic, texts({"schema": "x", "payload": event}, {"a": 1}), 1)
    told = run(source="salesforce")
    assert (told["records"], told["quarantined"]) == (2, 1)
    (found,) = store.leads()
    assert "00Q5g00000AAAAAAA1" in found.lead_id.upper() or found.events == 1


@pytest.fixture
def command(cluster, topic, path, lifecycle):
    def run(*options):
        server = ("--bootstrap", cluster.bootstrap, "--until-end")
        return lifecycle("consume", path, "--topic", topic, *server, *options)

    return run


def test_the_command_says_what_became_of_the_records(cluster, topic, path, command, tmp_path):
    cluster.produce(topic, [*texts(lead("add", "10:00")), b"{"], 2)
    config = tmp_path / "client.properties"
    config.write_text("# ours\n\nclient.id = crm\n")
    done = command("--config", config, "--dead-letter", "dead-letters")
    assert (done.exit_code, done.stdout) == (0, "2 records: applied 1, quarantined 1\n"), done
    assert '"message": "2 records read, lag 0: all is read"' in done.stderr
    done = command("--json")
    assert json.loads(done.stdout) == {"records": 0, "messages": 0, "lag": 0}
    done = command()
    assert done.stdout == "0 records\n"
    with LeadStore(path) as store:
        assert store.verify().sound


def test_what_is_wrong_is_said_in_a_sentence(cluster, topic, path, command, tmp_path, monkeypatch):
    done = command("--dead-letter", topic)
    assert (done.exit_code, "expected a topic that is not read" in done.output) == (2, True)
    config = tmp_path / "client.properties"
    for text, words in (
        ("group.id=x", "line 1: group.id is set by `lifecycle consume` itself"),
        ("\nname", "line 2: expected name=value"),
        ("no.such=1", "Kafka's client cannot use the settings: No such configuration property"),
        (None, "cannot be read"),
    ):
        config.unlink(missing_ok=True)
        if text is not None:
            config.write_text(text)
        done = command("--config", config)
        assert (done.exit_code, words in done.output) == (3, True), done.output
    with pytest.raises(InputError, match="cannot use the settings"):
        DeadLetters(cluster.bootstrap, "dead", {"no.such": "1"})
    assert read_settings(_written(config, "a = b=c")) == {"a": "b=c"}
    monkeypatch.setattr("lifecycle.kafka.client._SECONDS", 0.5)
    with (
        LeadStore(path) as store,
        open_client("127.0.0.1:1", [topic]) as client,
        pytest.raises(InputError, match="no answer from the brokers"),
    ):
        consume(store, client, stopping=threading.Event())


def _written(path, text):
    path.write_text(text)
    return path


def test_without_the_extra_the_sentence_names_it(command, monkeypatch):
    for name in [one for one in sys.modules if one.startswith("lifecycle.kafka")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("lifecycle.kafka")
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    done = command()
    assert done.exit_code == 2
    assert "Streams from Kafka need confluent-kafka: pip install 'lead-lifecycle[kafka]'" in (
        done.output
    )


def test_dead_letters_that_do_not_arrive_stop_the_run(cluster, topic, store, run, monkeypatch):
    monkeypatch.setattr("lifecycle.kafka.dead_letters._SECONDS", 0.3)
    cluster.produce(topic, [b"{"], 1)
    letters = DeadLetters("127.0.0.1:1", "dead", {})
    with pytest.raises(InputError, match="dead: dead letters cannot be sent: no answer"):
        run(dead_letters=letters)
    assert not store.quarantine_numbers()
    letters = DeadLetters("127.0.0.1:1", "dead", {"message.timeout.ms": "200"})
    monkeypatch.setattr("lifecycle.kafka.dead_letters._SECONDS", 20)
    with pytest.raises(InputError, match=r"dead letters cannot be sent: .*timed out"):
        run(dead_letters=letters)


def test_it_stops_at_a_signal_and_its_lag_is_in_the_figures_of_a_service(
    cluster, topic, path, serve
):
    cluster.produce(topic, texts(*(lead("add", "10:00", keys=str(n)) for n in range(1, 8))), 2)
    command = ["consume", path, "--topic", topic, "--bootstrap", cluster.bootstrap, "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lifecycle", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    for line in process.stderr:
        if b"7 records read" in line or _records(path) == 7:
            break
    _until(lambda: _records(path) == 7)
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(told)["applied"] == 7
    served = serve(path)
    figures = served.client.get("/metrics").text
    labels = f'{{partition="0",topic="{topic}"}}'
    assert f"lifecycle_stream_lag_messages{labels} 0.0" in figures
    assert f"lifecycle_stream_offset{labels} 4.0" in figures


def _records(path):
    try:
        with LeadStore(path) as store:
            return sum(one.messages for one in store.listing().pages().streams())
    except StoreError:
        return 0


def test_a_body_in_base64_is_no_json():
    from lifecycle.messages.cloudevents import structured  # noqa: PLC0415

    about = dict.fromkeys(("specversion", "id", "type", "source"), "x")
    event = json.loads(structured(about | {"data": "never"}, b"\xff"))
    assert event == about | {"data_base64": base64.b64encode(b"\xff").decode()}
    assert structured({"id": "x"}, b"{}") == b"{}"
