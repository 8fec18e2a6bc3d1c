"""The exports: what the reader says, in every format, and never a half-written file."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import warm
from hypothesis import given, settings
from letters import ADA, BOB, ORG, deletion, lead, moment
from worlds import NOW, worlds

from lifecycle import LeadStore
from lifecycle.cli.output import write_jsonl
from lifecycle.exporting import TABLES
from lifecycle.exporting.parquet import write_parquet
from lifecycle.store.query import export as listing

HOSTILE = '=cmd|"/c calc"!A1'
CONTACT = {"type": "Contact", "name": HOSTILE, "email": "+1@example.com", "identifier": {"c": "1"}}


@pytest.fixture
def told(store):
    """Return a store with a correction, a refusal, a joined lead, a deletion and hostile texts."""
    store.apply(lead("add", "10:00", snapshot={"owner": ORG, "object": CONTACT}, id="urn:add"))
    store.apply(lead("accept", "10:03", agent=ADA))
    store.apply(lead("reject", "10:04", agent=BOB, reason="-1+1\u202e\n", comment="\x1b[2J"))
    store.apply(lead("assign", "10:02", agent=ORG, recipient=ADA))
    store.apply(lead("update", "10:05", keys={"a": "x y", "b": "9\u202e\U000e0001"}))
    store.apply(lead("assign", "10:06", keys={"b": "9\u202e\U000e0001"}, agent=ORG, recipient=BOB))
    store.apply(lead("add", "10:01", keys="8"))
    store.apply(lead("update", "10:07", keys={"crmLeadId": "8", "a": "x y"}))
    store.apply(deletion("10:08", {"c": "1"}))
    return store


@pytest.fixture
def exported(told, tmp_path, lifecycle):
    """Export to a file, and read it again."""

    def run(what, style, *options):
        file = tmp_path / f"{what}.{style}"
        export = ("export", told.path, "--what", what, "--format", style, "-o", file)
        result = lifecycle(*export, *options)
        assert result.exit_code == 0, result.output
        rows = READ[style](file)
        count = f"{len(rows):,} row{'s' * (len(rows) != 1)}"
        assert (result.stdout, result.stderr) == ("", f"{file}: {count}\n")
        return rows

    return run


def read_csv(file):
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def read_jsonl(file):
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


READ = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": lambda file: pq.read_table(file).to_pylist(),
}


def printed(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


# --- what is in it -----------------------------------------------------------------------------


def test_leads_are_those_that_the_command_leads_lists(exported, told, path, lifecycle):
    rows = exported("leads", "jsonl")
    more = ("recipient", "contact_name", "contact_email", "contact_telephone")
    assert [without(row, *more) for row in rows] == printed(
        lifecycle("leads", path, "--format", "jsonl")
    )
    contacts = [(one.contact.name, one.contact.email) for one in told.leads()]
    assert [(row["contact_name"], row["contact_email"]) for row in rows] == contacts
    assert HOSTILE in dict(contacts)


@pytest.mark.parametrize("option", ["--as-of", "--as-known-at"])
def test_leads_as_they_were(option, exported, path, lifecycle):
    time = moment("10:03") if option == "--as-of" else "2026-03-31T00:00:00Z"
    rows = exported("leads", "jsonl", option, time)
    listed = printed(lifecycle("leads", path, "--format", "jsonl", option, time))
    assert [row["state"] for row in rows] == [row["state"] for row in listed]
    assert [row["lead_id"] for row in rows] == [row["lead_id"] for row in listed]


def test_history_is_that_of_every_lead_in_turn(exported, path, lifecycle):
    expected = [
        {"lead_id": one["lead_id"], **row}
        for one in printed(lifecycle("leads", path, "--format", "jsonl"))
        for row in printed(lifecycle("history", path, one["lead_id"], "--format", "jsonl"))
    ]
    assert [without(row, "holder") for row in exported("history", "jsonl")] == expected
    assert {"no_edge", "stated"} <= {row["verdict"] for row in expected}


def test_all_of_history_has_every_row_once(exported, told):
    rows = exported("history", "jsonl", "--all")
    select = "SELECT count(*), count(superseded_at) FROM history"
    total, superseded = told._connection.execute(select).fetchone()
    assert len(rows) == total
    assert sum(row["superseded_at"] is not None for row in rows) == superseded > 1
    current = [without(row, "seq") for row in rows if row["superseded_at"] is None]
    assert current == [without(row, "seq") for row in exported("history", "jsonl")]
    assert [row["lead_id"] for row in rows] == sorted(row["lead_id"] for row in rows)


def test_the_name_of_a_lead_that_is_none_any_more_is_kept(exported, told):
    select = "SELECT lead_id FROM former_lead WHERE lead NOT IN (SELECT id FROM lead)"
    (former,) = told._connection.execute(select).fetchall()
    named = {row["lead_id"] for row in exported("history", "jsonl", "--all")}
    assert named - {one.lead_id for one in told.leads()} == set(former)


def test_events_are_all_that_came_with_their_messages(exported, told):
    rows = exported("events", "jsonl")
    messages = {
        message.event_id: (one.lead_id, message.as_dict())
        for one in told.leads()
        for message in told.messages(one.lead_id)
    }
    for row in rows:
        lead_id, message = messages.pop(row["event_id"], (None, None))
        assert row["lead_id"] == lead_id
        assert message is None or message.items() <= row.items()
    assert not messages
    numbers = [row["seq"] for row in rows]
    assert (numbers, len(numbers)) == (sorted(set(numbers)), 9)
    assert [row["trigger"] for row in rows if row["lead_id"] is None] == ["delete"]
    first = rows[0]
    assert first["keys"] == ["lead:crmleadid:1", "contact:c:1"]
    assert (first["lead_owner"], rows[3]["recipient"], rows[3]["late"]) == (ORG, ADA, True)


@settings(max_examples=25)
@given(worlds)
def test_any_store_is_listed_as_its_reader_reads_it(messages):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        for message in messages:
            store.apply(message)
        with store.snapshot():
            some = store.listing()
            assert list(some.leads()) == list(store.leads())
            rows = list(some.history())
            ever = list(some.history(superseded=True))
        assert rows == [row for one in store.leads() for row in store.history(one.lead_id)]
        select = "SELECT count(*) FROM history"
        assert len(ever) == store._connection.execute(select).fetchone()[0]


def test_names_are_sorted_some_at_a_time(monkeypatch, told):
    with told.snapshot():
        whole = list(told.listing().history(superseded=True))
        monkeypatch.setattr(listing, "_SORTED", 2)
        monkeypatch.setattr(listing, "_TOGETHER", 1)
        assert list(told.listing().history(superseded=True)) == whole


# --- formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", TABLES)
def test_csv_says_what_json_says(what, exported):
    rows = exported(what, "csv")
    assert list(rows[0]) == TABLES[what].header
    for row, like in zip(rows, exported(what, "jsonl"), strict=True):
        assert {name: _value(cell, like[name]) for name, cell in row.items()} == {
            name: _inert(value) for name, value in like.items()
        }


def _value(cell, like):
    """Return the value of a cell: a text, or in JSON's words; nothing where it is empty."""
    if like == {} and not cell:
        return {}
    if like is None:
        return cell or None
    return cell if isinstance(like, str) else json.loads(cell)


def _inert(value):
    """Return what a cell may hold of a text: nothing that a spreadsheet or a terminal obeys."""
    if not isinstance(value, str):
        return value
    value = f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in value
    )


def test_cells_that_a_spread_sheet_would_run_are_defused(exported):
    cells = [cell for what in TABLES for row in exported(what, "csv") for cell in row.values()]
    assert f"'{HOSTILE}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert all(cell.isprintable() for cell in cells)


TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
    "texts": pa.list_(pa.string()),
    "reason": pa.string(),
    "payload": pa.string(),
    "fields": pa.string(),
}


@pytest.mark.parametrize("what", TABLES)
def test_parquet_has_types_and_the_same_values(what, exported, tmp_path):
    rows = exported(what, "parquet")
    schema = pq.read_schema(tmp_path / f"{what}.parquet")
    table = TABLES[what]
    assert schema.names == table.header
    assert schema.types == [TYPES[column.kind] for column in table.columns]
    kinds = {column.name: column.kind for column in table.columns}
    assert [
        {name: _as_json(kinds[name], value) for name, value in row.items()} for row in rows
    ] == exported(what, "jsonl")


def _as_json(kind, value):
    if isinstance(value, datetime):
        assert value.utcoffset().total_seconds() == 0
        text = value.astimezone(UTC).replace(tzinfo=None)
        spec = "milliseconds" if value.microsecond % 1000 == 0 else "microseconds"
        return text.isoformat(timespec=spec if value.microsecond else "seconds") + "Z"
    if kind in ("payload", "fields") or (kind == "reason" and value and value.startswith("{")):
        return json.loads(value)
    return value


def test_a_payload_in_parquet_is_the_message_as_it_came(path, tmp_path, lifecycle):
    message = '{ "topic" : "realestate/lead#update",\n' + json.dumps(lead("update", "10:00"))[1:]
    message = message.replace('"topic": "realestate/lead#update", ', "", 1)
    with LeadStore(path) as store:
        assert store.apply(message).kind == "applied"
    file = tmp_path / "events.parquet"
    lifecycle("export", path, "--what", "events", "--format", "parquet", "-o", file)
    assert pq.read_table(file)["payload"].to_pylist() == [message]


def test_parquet_is_written_in_groups(monkeypatch, told):
    from lifecycle.exporting import parquet  # noqa: PLC0415

    for name, least in (("_GROUP_ROWS", 4), ("_GROUP_CHARACTERS", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(parquet, name, least)
            file = io.BytesIO()
            table = TABLES["events"]
            with told.snapshot():
                assert write_parquet(table, map(table.row, told.listing().events()), file) == 9
        assert pq.ParquetFile(file).num_row_groups == (3 if least == 4 else 9)


@pytest.mark.parametrize("what", TABLES)
def test_an_empty_store_gives_columns_and_no_row(what, store, tmp_path, lifecycle):
    header = TABLES[what].header
    result = lifecycle("export", store.path, "--what", what)
    assert (result.exit_code, result.stdout) == (0, ",".join(header) + "\n")
    assert lifecycle("export", store.path, "--what", what, "--format", "jsonl").stdout == ""
    file = tmp_path / "empty.parquet"
    assert (
        lifecycle("export", store.path, "--what", what, "--format", "parquet", "-o", file).exit_code
        == 0
    )
    found = pq.read_table(file)
    assert (found.num_rows, found.column_names) == (0, header)
    assert found.schema.types == [TYPES[column.kind] for column in TABLES[what].columns]


# --- where it goes -----------------------------------------------------------------------------


def command(*arguments):
    return [warm.command(), "export", *map(str, arguments)]


def test_standard_output_takes_every_format(told, path):
    for style, begins in (("csv", b"lead_id,state"), ("jsonl", b'{"lead_id'), ("parquet", b"PAR1")):
        run = subprocess.run(
            command(path, "--what", "leads", "--format", style), check=True, capture_output=True
        )
        assert run.stdout.startswith(begins)
        assert run.stderr == b""
    assert pq.read_table(pa.BufferReader(run.stdout)).num_rows == told.lead_count()


def test_parquet_is_not_for_a_terminal(told):
    watched, terminal = pty.openpty()
    run = subprocess.run(
        command(told.path, "--what", "leads", "--format", "parquet"),
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(terminal)
    os.close(watched)
    assert run.returncode == 2
    assert "parquet is no text: name a file with --output, or use a pipe" in run.stderr


@pytest.mark.parametrize("style", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("leads", [3, 3000])
def test_a_reader_who_goes_away_is_no_error(style, leads, path):
    with LeadStore(path) as store:
        store.apply_many(
            [lead("update", "10:00", keys=str(number)) for number in range(1, leads + 1)]
        )
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        command(path, "--what", "leads", "--format", style),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (run.returncode, run.stderr) == (0, b"")


def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(told, path, tmp_path, lifecycle):
    table, file = "events", tmp_path / "out.csv"
    file.write_text("old")
    told._connection.execute("UPDATE block SET bodies = x'00' WHERE first > 5")
    before = sorted(tmp_path.iterdir())
    for style in ("csv", "jsonl", "parquet"):
        result = lifecycle("export", path, "--what", table, "--format", style, "-o", file)
        assert result.exit_code == 3
        assert file.read_text() == "old"
        assert sorted(tmp_path.iterdir()) == before


def test_an_older_export_is_replaced(exported, tmp_path):
    (tmp_path / "leads.csv").write_text("something longer than what comes " * 1000)
    assert exported("leads", "csv")


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_the_store_is_never_written_over(end, told, lifecycle):
    target = told.path.with_name(told.path.name + end)
    before = told.path.read_bytes()
    for output in (target, told.path.parent / "." / target.name):
        result = lifecycle("export", told.path, "--what", "leads", "-o", output)
        assert result.exit_code == 2
        assert "belongs to a database, and would be written over" in result.stderr
    assert told.path.read_bytes() == before


def test_nor_is_another_database_or_what_is_no_file(told, tmp_path, lifecycle):
    other = tmp_path / "other.db"
    LeadStore(other).close()
    link = tmp_path / "link.csv"
    link.symlink_to(told.path)
    for output in (other, link):
        assert (
            "belongs to a database"
            in lifecycle("export", told.path, "--what", "leads", "-o", output).stderr
        )
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for output in (pipe, tmp_path, os.devnull):
        result = lifecycle("export", told.path, "--what", "leads", "-o", output)
        assert result.exit_code == 2
        assert f"{output} is there, and is no file" in " ".join(result.stderr.split())


def test_what_cannot_be_written_is_one_sentence(told, tmp_path, lifecycle):
    file = tmp_path / "nowhere" / "leads.csv"
    result = lifecycle("export", told.path, "--what", "leads", "-o", file)
    assert result.exit_code == 3
    assert result.stderr == f"lifecycle: {file}: cannot be written: No such file or directory\n"


def test_what_is_no_store_is_one_sentence(tmp_path, lifecycle):
    file = tmp_path / "out.csv"
    result = lifecycle("export", tmp_path / "none.db", "--what", "leads", "-o", file)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"lifecycle: {tmp_path / 'none.db'}: no such file;")
    assert not file.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--what", "events", "--all"], "--all is for history"),
        (["history", "--as-of", "2026-03-01"], "are for leads"),
        (["events", "--as-known-at", "2026-03-01"], "are for leads"),
        ([], "expected LIST: one of leads, history, events"),
    ],
)
def test_options_without_effect_are_wrong_usage(options, sentence, told, lifecycle):
    result = lifecycle("export", told.path, *options)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_without_pyarrow_one_sentence_says_what_to_install(told, monkeypatch, lifecycle):
    monkeypatch.delitem(sys.modules, "lifecycle.exporting.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    export = ("export", told.path, "--what", "leads", "--format")
    result = lifecycle(*export, "parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Parquet files need pyarrow: pip install 'lead-lifecycle[parquet]'" in result.stderr
    assert lifecycle(*export, "csv").exit_code == 0


def test_pyarrow_is_imported_only_for_parquet(told):
    program = (
        "import sys\nfrom lifecycle.cli import cli\n"
        f"cli(['export', {str(told.path)!r}, '--what', 'leads'], standalone_mode=False)\n"
        # sqlite_utils imports pandas where it finds it, and that imports pyarrow.
        "sys.exit('pyarrow' in sys.modules and 'pandas' not in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


# --- how ---------------------------------------------------------------------------------------


def test_an_export_is_as_of_one_moment(path, tmp_path, monkeypatch, lifecycle):
    def interrupted(rows, file):
        """Write the first row, let another writer in, go on."""
        write_jsonl([next(rows)], file)
        with LeadStore(path) as writer:
            writer.apply(lead("accept", "10:01", keys="3", agent=ADA))
            writer.apply(lead("add", "10:01", keys="9"))
        return 1 + write_jsonl(rows, file)

    monkeypatch.setattr(listing, "_SORTED", 1)
    monkeypatch.setattr("lifecycle.cli.export.write_jsonl", interrupted)
    with LeadStore(path) as store:
        store.apply_many([lead("update", "10:00", keys=str(number)) for number in range(1, 5)])
    result = lifecycle("export", path, "--what", "leads", "--format", "jsonl", "-o", tmp_path / "o")
    assert result.exit_code == 0
    assert [row["state"] for row in read_jsonl(tmp_path / "o")] == ["sent"] * 4


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Return a store, and one with eight times as much in it."""
    found = []
    for leads in (250, 2000):
        found.append(tmp_path_factory.mktemp("stores") / f"{leads}.db")
        with LeadStore(found[-1]) as store:
            for action, at in (("add", "10:00"), ("accept", "10:01")):
                store.apply_many([lead(action, at, keys=str(one)) for one in range(leads)])
    return found


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("style", ["csv", "jsonl"])
@pytest.mark.usefixtures("uncovered")
def test_memory_does_not_grow_with_the_store(what, style, stores, tmp_path, monkeypatch, lifecycle):
    def peak(path):
        tracemalloc.start()
        lifecycle("export", path, "--what", what, "--format", style, "-o", tmp_path / "out")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    monkeypatch.setattr(listing, "_SORTED", 50)
    monkeypatch.setattr(listing, "_TOGETHER", 50)
    # Imports count once; a cache within bounds that many tests share may grow in any one run.
    small, large = (min(peak(path) for _ in range(2)) for path in stores)
    assert large < 1.5 * small
