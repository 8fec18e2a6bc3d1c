"""Imports that people reported come out as they should, in any order of the files."""

import json

import pytest
from test_reports import REPORTS, check

from lifecycle import LeadStore

IMPORTED = [path for path in REPORTS if "import" in json.loads(path.read_text("utf-8"))]


@pytest.fixture(params=IMPORTED, ids=lambda path: path.stem)
def case(request, tmp_path):
    """Return a case, and its files in the order in which they stand there."""
    told = json.loads(request.param.read_text("utf-8"))
    files = []
    for name, text in told["files"].items():
        files.append(tmp_path / name)
        files[-1].write_text(text, "utf-8")
    return told, files


def ways(files):
    """All files in one command, and each in one of its own; in either order."""
    for some in (files, files[::-1]):
        yield [some]
        yield [[one] for one in some]


def test_cases_come_out_as_written_in_both_orders_of_the_files(case, lifecycle, tmp_path):
    told, files = case
    expect = told["expect"]
    for number, commands in enumerate(ways(files)):
        database = tmp_path / f"{number}.db"
        for some in commands:
            result = lifecycle("import", told["import"], database, *some, "--json")
        if told["why"].startswith("A row without a value"):
            assert result.exit_code == 3, result.output
            assert "value" in result.stderr
            assert not database.exists()
            continue
        assert result.exit_code in (0, 1), result.output
        if len(commands) == 1:
            counts = json.loads(result.stdout)
            wanted = expect.get("outcomes", {})
            assert {name: counts[name] for name in wanted} == wanted
        with LeadStore(database) as store:
            check(store, expect)


def test_importing_everything_again_changes_nothing(case, lifecycle, tmp_path):
    told, files = case
    database = tmp_path / "again.db"
    lifecycle("import", told["import"], database, *files)
    if not database.exists():
        return
    with LeadStore(database) as store:
        before = list(store.changes())
    counts = json.loads(lifecycle("import", told["import"], database, *files, "--json").stdout)
    assert (counts["applied"], counts["refused"], counts["noted"]) == (0, 0, 0)
    with LeadStore(database) as store:
        assert list(store.changes()) == before


def test_a_dry_run_says_what_would_come_and_writes_nothing(case, lifecycle, tmp_path):
    told, files = case
    database = tmp_path / "dry.db"
    dry = lifecycle("import", told["import"], database, *files, "--json", "--dry-run")
    assert not database.exists()
    if dry.exit_code == 3:
        return
    wet = lifecycle("import", told["import"], database, *files, "--json")
    said = [json.loads(one.stdout) for one in (dry, wet)]
    assert [one.pop("dry_run") for one in said] == [True, False]
    assert all(one.pop("seconds") >= 0 for one in said)
    assert said[0] == said[1]
    before = database.read_bytes()
    again = lifecycle("import", told["import"], database, *files, "--json", "--dry-run")
    assert json.loads(again.stdout)["duplicate"] == said[0]["facts"]
    assert database.read_bytes() == before
