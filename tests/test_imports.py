"""Imports: the same history from any export, in any order, however it is split into files."""

import csv
import io
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import NOW, store_says

from lifecycle import LeadStore
from lifecycle.errors import RulesMismatchError
from lifecycle.systems import Layout, load, read_files

LEADS = ["00Q0000000Ex01AEAR", "00Q0000000Ex02AEAR"]
ADA, BOB, QUEUE = "0050000000Ada01AAB", "0050000000Bob01AAB", "00G0000000Que01AAB"
STATUSES = ["New", "Working", "Nurturing", "Unqualified", "Parked", "Closed - Converted"]
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def says(files, source, *, one_by_one):
    """Return what a store says of these files, imported in this order."""
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        for some in [[one] for one in files] if one_by_one else [files]:
            with read_files(source, some) as reading:
                load(store, reading)
        assert store.verify().sound
        return store_says(store)


def imported_alike(source, texts, chance):
    """Check that files say the same in any order, one by one, together, and again."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, (ending, text) in enumerate(texts):
            files.append(Path(folder) / f"{number}.{ending}")
            files[-1].write_text(text, "utf-8")
        wanted = says(files, source, one_by_one=False)
        chance.shuffle(files)
        assert says(files, source, one_by_one=True) == wanted
        assert says([*files, *files[::-1]], source, one_by_one=True) == wanted
        return wanted


# --- Salesforce ---------------------------------------------------------------------------------


@st.composite
def changes(draw):
    """Return changes of one lead's fields: most of them follow each other, as in a CRM."""
    lead = draw(st.sampled_from(LEADS))
    values = {"Status": "New", "Owner": QUEUE}
    at, rows = START, []
    for _ in range(draw(st.integers(1, 7))):
        at += timedelta(milliseconds=draw(st.sampled_from([0, 250, 1000, 60_000])))
        field = draw(st.sampled_from(["Status", "Status", "Owner"]))
        known = STATUSES if field == "Status" else [ADA, BOB, QUEUE]
        new = draw(st.sampled_from(known))
        old = values[field] if draw(st.integers(0, 5)) else draw(st.sampled_from(known))
        values[field] = new
        rows.append((lead, field, old, new, at, draw(st.sampled_from([ADA, BOB]))))
    return rows


def as_csv(rows, *, names, seconds, leave_out=()):
    columns = [name for name in names if name not in leave_out]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(columns)
    for lead, field, old, new, at, by in rows:
        time = at.replace(microsecond=0) if seconds else at
        cells = [lead[:15] if seconds else lead, field, old, new, time.isoformat(), by]
        table.writerow([cells[names.index(name)] for name in columns])
    return "csv", out.getvalue()


def as_rest(rows):
    names = ("LeadId", "Field", "OldValue", "NewValue")
    records = [
        dict(zip(names, row[:4], strict=True))
        | {"CreatedDate": row[4].isoformat(timespec="milliseconds"), "CreatedById": row[5]}
        for row in rows
    ]
    return "json", json.dumps({"totalSize": len(records), "done": True, "records": records})


LOADER = ["LeadId", "Field", "OldValue", "NewValue", "CreatedDate", "CreatedById"]
WAREHOUSE = ["lead_id", "field", "old_value", "new_value", "created_date", "created_by_id"]


@st.composite
def exports(draw):
    """Return a history, split into files with overlaps; some lack columns, some keep seconds."""
    rows = [row for some in draw(st.lists(changes(), min_size=1, max_size=2)) for row in some]
    files = []
    for _ in range(draw(st.integers(1, 4))):
        part = draw(st.lists(st.sampled_from(rows), min_size=1, max_size=8))
        if draw(st.integers(0, 3)) == 0:
            files.append(as_rest(part))
            continue
        names = draw(st.sampled_from([LOADER, WAREHOUSE]))
        absent = draw(st.sampled_from([(), (names[2],), (names[5],), (names[2], names[5])]))
        files.append(as_csv(part, names=names, seconds=draw(st.booleans()), leave_out=absent))
    return files


@given(exports(), st.randoms(use_true_random=False))
def test_any_split_of_a_history_into_exports_says_what_their_union_says(texts, chance):
    imported_alike("salesforce", texts, chance)


@given(changes(), st.randoms(use_true_random=False))
def test_an_export_in_seconds_and_one_in_milliseconds_count_once(rows, chance):
    in_seconds = as_csv(rows, names=LOADER, seconds=True)
    exact = as_rest(rows)
    together = imported_alike("salesforce", [in_seconds, exact], chance)
    assert imported_alike("salesforce", [in_seconds], chance) == together


# --- HubSpot ------------------------------------------------------------------------------------


@st.composite
def properties(draw):
    """Versions of a contact's properties, in several files of several kinds."""
    at, rows = START, []
    for _ in range(draw(st.integers(1, 8))):
        at += timedelta(milliseconds=draw(st.sampled_from([0, 1, 999, 5000])))
        name = draw(st.sampled_from(["hs_lead_status", "hubspot_owner_id"]))
        values = ["NEW", "CONNECTED", "UNQUALIFIED", ""] if name[:3] == "hs_" else ["77", "88", ""]
        rows.append((draw(st.sampled_from([501, 502])), name, draw(st.sampled_from(values)), at))
    parts = st.lists(st.sampled_from(rows), min_size=1, max_size=6)
    forms = [versions_as_rows, versions_as_webhooks, versions_as_objects]
    return [draw(st.sampled_from(forms))(draw(parts)) for _ in range(draw(st.integers(1, 3)))]


def versions_as_rows(rows):
    records = [
        {"objectId": who, "property": name, "value": value, "timestamp": at.isoformat()}
        for who, name, value, at in rows
    ]
    return "json", json.dumps(records)


def versions_as_webhooks(rows):
    records = [
        {
            "subscriptionType": "contact.propertyChange",
            "objectId": who,
            "propertyName": name,
            "propertyValue": value,
            "occurredAt": int(at.timestamp() * 1000),
            "sourceId": "userId:7",
        }
        for who, name, value, at in rows
    ]
    return "json", json.dumps(records)


def versions_as_objects(rows):
    histories = {}
    for who, name, value, at in rows:
        version = {"value": value, "timestamp": at.isoformat(), "sourceType": "CRM_UI"}
        histories.setdefault(str(who), {}).setdefault(name, []).insert(0, version)
    records = [{"id": who, "propertiesWithHistory": one} for who, one in histories.items()]
    return "json", json.dumps({"results": records})


@given(properties(), st.randoms(use_true_random=False))
def test_any_split_of_hubspot_s_versions_says_what_their_union_says(texts, chance):
    imported_alike("hubspot", texts, chance)


# --- Genesys ------------------------------------------------------------------------------------


@st.composite
def records(draw):
    """Notifications and operations of few interactions."""
    at, lines = START, []
    for _ in range(draw(st.integers(1, 10))):
        at += timedelta(seconds=draw(st.sampled_from([0, 1, 60])))
        own = draw(st.sampled_from(["EM1", "EM2"]))
        agent = draw(st.sampled_from(["ada", "bob"]))
        if draw(st.integers(0, 2)):
            state = draw(st.sampled_from(["Invited", "Processing", "Completed", "InWorkbin"]))
            user = {"ContactId": "C1", "RTargetAgentSelected": agent}
            email = {"id": own, "state": state, "capabilities": [], "userData": user}
            lines.append(
                {"time": at.isoformat(), "data": {"notificationType": "StatusChange"}}
                | {"data": {"notificationType": "StatusChange", "email": email}}
            )
        else:
            name = draw(st.sampled_from(["Accept", "Reject", "Complete"]))
            uri = f"/api/v2/me/emails/{own}"
            done = {"operationName": name, "uri": uri, "statusCode": 0, "userName": agent}
            lines.append({"time": at.isoformat(), **done})
    parts = st.lists(st.sampled_from(lines), min_size=1, max_size=8)
    return [
        ("jsonl", "".join(f"{json.dumps(line)}\n" for line in draw(parts)))
        for _ in range(draw(st.integers(1, 3)))
    ]


@given(records(), st.randoms(use_true_random=False))
def test_any_split_of_genesys_records_says_what_their_union_says(texts, chance):
    imported_alike("genesys", texts, chance)


# --- maps ---------------------------------------------------------------------------------------


MAP = """
name = "desk"
party = "deskUserId"
people = ["Holder"]
[lead]
deskId = "Ticket"
[columns]
field = "Field"
new = "Value"
time = "At"
by = "User"

[[meaning]]
source = "desk"
field = "Status"
value = "Open"
trigger = "send"

[[meaning]]
source = "desk"
field = "Holder"
trigger = "assign"

[[meaning]]
source = "desk"
field = "Status"
value = "Taken"
trigger = ["assign", "accept"]
"""
ROWS = """Ticket,Field,Value,At,User
7,Status,Open,2026-03-02T09:00:00Z,ann
7,Holder,joe,2026-03-02T09:05:00Z,ann
7,Status,Taken,2026-03-02T10:00:00Z,ann
7,Status,Closed,2026-03-02T11:00:00Z,joe
"""


@pytest.fixture
def desk(tmp_path):
    """Return a map, and a table that it reads."""
    (tmp_path / "map.toml").write_text(MAP)
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def imported(lifecycle, folder, *more):
    return lifecycle(
        *("import", "csv", folder / "leads.db", folder / "rows.csv"),
        *("--map", folder / "map.toml", *more),
    )


def test_a_map_says_how_a_table_is_read_and_what_its_values_mean(desk, lifecycle):
    result = imported(lifecycle, desk)
    assert result.exit_code == 1
    assert "Status = 'Closed': 1 lead" in result.stderr
    assert '[[meaning]]\nsource = "desk"\nfield = "Status"\nvalue = "Closed"' in result.stderr
    with LeadStore(desk / "leads.db") as store:
        lead = store.lead("deskId:7")
        assert (lead.state, str(lead.holder)) == ("accepted", "deskuserid:joe")
        reasons = [entry.reason for entry in store.history("deskId:7")]
        assert reasons == ["Status: Open", "Holder: joe", "Status: Taken"]


def test_a_map_that_changes_its_mind_names_the_rebuild_which_takes_it(desk, lifecycle):
    imported(lifecycle, desk)
    closed = '[[meaning]]\nsource = "desk"\nfield = "Status"\nvalue = "Closed"\ntrigger = "retract"'
    (desk / "map.toml").write_text(f"{MAP}\n{closed}\n")
    result = imported(lifecycle, desk)
    assert result.exit_code == 2
    assert "rebuild" in result.stderr
    rebuilt = lifecycle("rebuild", desk / "leads.db", "--rules", desk / "map.toml")
    assert rebuilt.exit_code == 0, rebuilt.output
    with LeadStore(desk / "leads.db") as store:
        assert store.lead("deskId:7").state == "retracted"
        assert store.verify().sound
    assert imported(lifecycle, desk).exit_code == 0


def test_meanings_of_a_source_that_is_new_need_no_rebuild(desk, lifecycle):
    with LeadStore(desk / "leads.db") as store:
        store.apply({"topic": "lead#add", "time": "2026-03-01T10:00:00Z", "id": "1"})
    assert imported(lifecycle, desk).exit_code == 1
    with LeadStore(desk / "leads.db") as store, pytest.raises(RulesMismatchError, match="rebuild"):
        store.take_meanings(store.rules.default().meanings, "desk")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[meaning]]\nsource = "desk"\n', "meaning 1, field: expected a text"),
        ('[[meaning]]\nsource = "d"\nfield = "x"\ntrigger = "go"', "meaning 1, trigger: expected"),
        ('[[meaning]]\nsource = "d"\nfield = "x"\ntrigger = []\nstate = "odd"', "meaning 1, state"),
        ('[[meaning]]\nsource = "d"\nfield = "x"\ntrigger = []\nparty = "me"', "meaning 1, party"),
        ('[[meaning]]\nsource = "d"\nfield = "x"\ntrigger = []\nvlaue = "x"', "meaning 1, vlaue"),
    ],
)
def test_a_row_that_is_wrong_is_named_and_nothing_is_written(text, said, desk, lifecycle):
    (desk / "map.toml").write_text(MAP.partition("[[meaning]]")[0] + text)
    result = imported(lifecycle, desk)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "map.toml" in result.stderr
    assert not (desk / "leads.db").exists()


def test_a_layout_reads_what_a_map_prints():
    for source in ("salesforce", "hubspot", "csv"):
        assert Layout.default(source).name


def test_what_show_map_prints_is_taken_back(lifecycle, tmp_path):
    for source, file in (("salesforce", "LeadHistory.csv"), ("hubspot", "hubspot.json")):
        path = tmp_path / f"{source}.toml"
        path.write_text(lifecycle("import", source, "--show-map").stdout)
        sample = Path(__file__).parents[1] / "docs" / "samples" / file
        plain = lifecycle("import", source, tmp_path / f"{source}.db", sample, "--json")
        mapped = lifecycle(
            "import", source, tmp_path / f"{source}.db", sample, "--map", path, "--json"
        )
        assert json.loads(mapped.stdout)["duplicate"] == json.loads(plain.stdout)["facts"]


# --- merged records -----------------------------------------------------------------------------


def test_the_deletion_of_a_record_that_was_merged_away_leaves_the_winner_as_it_is(tmp_path):
    history = as_csv(
        [
            (LEADS[0], "Status", "New", "Working", START, ADA),
            (LEADS[1], "Status", "New", "Unqualified", START, BOB),
        ],
        names=LOADER,
        seconds=True,
    )
    modified = {"CreatedDate": "2026-03-01T09:00:00Z", "LastModifiedDate": "2026-03-03T09:00:00Z"}
    away = {"Id": LEADS[1], "CreatedById": ADA, "IsDeleted": True, "MasterRecordId": LEADS[0]}
    (tmp_path / "history.csv").write_text(history[1])
    (tmp_path / "leads.json").write_text(json.dumps([away | modified]))
    files = [tmp_path / "history.csv", tmp_path / "leads.json"]
    for some in (files, files[::-1]):
        with LeadStore(":memory:", clock=lambda: NOW) as store:
            for file in some:
                with read_files("salesforce", [file]) as reading:
                    assert load(store, reading).outcomes["quarantined"] == 0
            (lead,) = store.leads()
            assert lead.state == "accepted"
            assert {key.value for key in lead.keys} == set(LEADS)
            assert "several_ids" not in {entry.code for entry in store.findings()}


def test_a_merge_of_hubspot_joins_the_leads_and_leaves_the_winner_as_it_is(tmp_path):
    changes = [
        {"subscriptionType": "contact.propertyChange", "objectId": who, "occurredAt": at}
        | {"propertyName": "hs_lead_status", "propertyValue": value}
        for who, at, value in ((1, 1772442000000, "CONNECTED"), (2, 1772442000000, "BAD_TIMING"))
    ]
    merge = {
        "subscriptionType": "contact.merge",
        "objectId": 1,
        "primaryObjectId": 1,
        "mergedObjectIds": [2],
        "newObjectId": 1,
        "occurredAt": 1772445600000,
    }
    for number, part in enumerate(([*changes, merge], [merge, *changes])):
        (tmp_path / f"{number}.json").write_text(json.dumps(part))
        with (
            LeadStore(":memory:", clock=lambda: NOW) as store,
            read_files("hubspot", [tmp_path / f"{number}.json"]) as reading,
        ):
            assert load(store, reading).outcomes["quarantined"] == 0
            assert [one.state for one in store.leads()] == ["accepted"]


# --- snapshots ----------------------------------------------------------------------------------


def test_any_split_of_a_snapshot_table_says_what_its_union_says(tmp_path):
    rows = [("Working", 1), ("Unqualified", 2), ("Working", 3), ("Working", 4), ("New", 5)]
    lines = [f"{LEADS[0]},{status},{ADA},2026-03-0{day}T00:00:00Z" for status, day in rows]
    wanted = None
    for number in range(2 ** len(rows)):
        parts = [[], []]
        for place, line in enumerate(lines):
            parts[number >> place & 1].append(line)
        files = []
        for name, part in zip("ab", parts, strict=True):
            files.append(tmp_path / f"{number}{name}.csv")
            header = "id,status,owner_id,_fivetran_start"
            files[-1].write_text("\n".join([header, *part]) + "\n")
        said = says(files, "salesforce", one_by_one=True)
        wanted = wanted or said
        assert said == wanted
    assert [lead["state"] for lead in wanted["leads"]] == ["assigned"]


def test_a_dry_run_names_the_store_that_was_asked_for(desk, lifecycle):
    imported(lifecycle, desk)
    (desk / "map.toml").write_text(MAP.replace('"send"', '"update"'))
    result = imported(lifecycle, desk, "--dry-run")
    assert result.exit_code == 2
    assert str(desk / "leads.db") in result.stderr
    assert "copy.db" not in result.stderr
    missing = lifecycle(
        "import", "salesforce", desk / "no" / "a.db", desk / "rows.csv", "--dry-run"
    )
    assert missing.exit_code == 3


def test_facts_that_cannot_be_decoded_are_said_and_kept(tmp_path, lifecycle):
    (tmp_path / "h.csv").write_text(
        f"{','.join(LOADER)}\n***,Status,New,Working,2026-03-02T10:00:00Z,{ADA}\n"
    )
    result = lifecycle("import", "salesforce", tmp_path / "a.db", tmp_path / "h.csv")
    assert result.exit_code == 1
    assert "1 fact could not be decoded: `lifecycle quarantine DB`" in result.stderr


def _versions(object_id, status, at="2026-03-02T09:00:00Z"):
    history = {"hs_lead_status": [{"value": status, "timestamp": at}]}
    return {"id": object_id, "properties": {}, "propertiesWithHistory": history}


def test_hubspot_objects_without_earlier_values_are_said_to_be_incomplete(
    lifecycle, path, write_log
):
    now = {"id": "7", "properties": {"hs_lead_status": "NEW", "hs_lastmodifieddate": "2026-03-02"}}
    now["properties"]["hs_lastmodifieddate"] += "T09:00:00Z"
    log = write_log([now])
    done = lifecycle("import", "hubspot", path, log)
    assert done.exit_code == 1
    assert f"{log}: objects as they are now, without earlier values" in done.stderr
    assert "propertiesWithHistory=hs_lead_status" in done.stderr
    done = lifecycle("import", "hubspot", path, write_log([now | {"propertiesWithHistory": {}}]))
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_value_without_a_meaning_fails_the_import_that_brings_it_and_no_later_one(
    lifecycle, path, write_log
):
    odd, usual = write_log([_versions("7", "NURTURE")], "odd"), write_log([_versions("8", "NEW")])
    assert "hs_lead_status = 'NURTURE': 1 lead" in lifecycle("import", "hubspot", path, odd).stderr
    done = lifecycle("import", "hubspot", path, usual)
    assert done.exit_code == 0
    assert done.stderr == (
        "1 value without a meaning came with earlier files:"
        f" `lifecycle audit {path} --list findings`\n"
    )
    more = write_log([_versions("9", "NURTURE")], "more")
    done = lifecycle("import", "hubspot", path, more)
    assert done.exit_code == 1
    assert "hs_lead_status = 'NURTURE': 2 leads" in done.stderr
    assert f"lifecycle rules show {path} --toml > rules.toml" in done.stderr


def test_hubspot_tables_may_call_properties_as_its_screens_do(lifecycle, path, tmp_path):
    table = tmp_path / "history.csv"
    table.write_text(
        "Record ID,Property,Value,Timestamp\n"
        "7,Lead Status,NEW,2026-03-02T09:00:00Z\n"
        "7,Contact owner,12,2026-03-02T09:05:00Z\n",
        "utf-8",
    )
    assert lifecycle("import", "hubspot", path, table).exit_code == 0
    with LeadStore(path) as store:
        assert [row.trigger for row in store.history("hubspotid:7")] == ["send", "assign"]


def test_a_map_is_told_only_of_columns_of_its_own_that_no_file_has(lifecycle, path, tmp_path):
    own = tmp_path / "map.toml"
    own.write_text(lifecycle("import", "hubspot", "--show-map").stdout, "utf-8")
    table = tmp_path / "history.csv"
    table.write_text(
        "Record ID,Property,Value,Timestamp\n7,hs_lead_status,NEW,2026-03-02T09:00:00Z\n", "utf-8"
    )
    done = lifecycle("import", "hubspot", path, table, "--map", own)
    assert (done.exit_code, done.stderr) == (0, "")
    own.write_text(own.read_text("utf-8").replace('"sourceId"', '"Who"'), "utf-8")
    done = lifecycle("import", "hubspot", tmp_path / "other.db", table, "--map", own)
    assert done.stderr == "columns that the map names, and no file has: 'Who'\n"
