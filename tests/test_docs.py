"""The documentation is true: its examples are run, and its links lead somewhere."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import docs_support
import pytest
from sybil.example import SybilFailure

import lifecycle

KINDS = ("Tutorial", "How-to", "Reference", "Explanation")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
PAGES = pytest.mark.parametrize("page", docs_support.PAGES, ids=lambda page: page.name)


@PAGES
@pytest.mark.usefixtures("uncovered")
def test_every_example_on_a_page_is_true(page):
    # A place whose name is as long as wherever the page was written: lines are broken by it.
    with tempfile.TemporaryDirectory() as place, docs_support.room(Path(place)):
        for example in docs_support.read(page).examples():
            example.evaluate()


@pytest.mark.parametrize(
    "console",
    [
        "$ echo 7 leads\n8 leads",
        "$ echo one\none\ntwo",
        "$ echo 2026-03-01T10:00:00Z\n2026-03-01T10:00:01Z",
    ],
)
def test_a_console_that_shows_something_else_is_found(console, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"```console\n{console}\n```\n")
    (example,) = docs_support.read(page).examples()
    with pytest.raises(SybilFailure, match="shown"):
        example.evaluate()


@pytest.mark.parametrize("console", ["$ false", "$ false\n$ echo done\ndone"])
def test_a_command_that_fails_must_be_meant_to(console, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"```console\n{console}\n```\n")
    (example,) = docs_support.read(page).examples()
    with pytest.raises(AssertionError, match="exit status 1"):
        example.evaluate()


def test_times_of_recording_are_not_compared_and_nothing_else_is_left_out(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ date -u '+%Y-%m-%d %H:%M:%S.123456 in 0.3 s'; (exit 4)\n"
        "2026-01-01 00:00:00.000001 in 0.1 s\n$ echo $?\n4\n```\n"
    )
    (example,) = docs_support.read(page).examples()
    example.evaluate()


@PAGES
def test_every_page_says_in_its_first_line_what_it_is(page):
    if page.name != "README.md":
        assert page.read_text().startswith(tuple(f"# {kind}: " for kind in KINDS))


def test_every_promise_has_its_test():
    page = (docs_support.ROOT / "docs" / "promises.md").read_text()
    promises = re.findall(
        r"^\| .* \| `(\w+\.py)`: \[(\w+)\]\(\.\./tests/(\w+\.py)\) \|$", page, re.MULTILINE
    )
    assert len(promises) >= 14
    for file, name, link in promises:
        assert link == file
        assert f"\ndef {name}(" in (docs_support.ROOT / "tests" / file).read_text()


@PAGES
def test_every_link_leads_somewhere(page):
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if anchor:
            assert anchor in _anchors(target), f"{path}#{anchor}"


@pytest.mark.usefixtures("uncovered")
def test_the_site_is_built_without_a_warning(tmp_path):
    site = tmp_path / "site"
    sphinx = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        docs_support.ROOT / "docs",
    ]
    done = subprocess.run([*sphinx, site], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pages = {page.stem for page in docs_support.PAGES if page.name != "README.md"}
    assert {page.stem for page in site.glob("*.html")} == pages | {"genindex", "search"}


def test_everything_that_can_be_imported_has_its_entry_among_classes_and_functions():
    page = (docs_support.ROOT / "docs" / "api.md").read_text()
    named = re.findall(r"^\.\. auto\w+:: lifecycle\.(\w+)$", page, re.MULTILINE)
    assert sorted(named) == sorted({*lifecycle.__all__, "Outcome"})


def test_the_picture_of_the_states_is_drawn_from_the_rules():
    script = docs_support.ROOT / "scripts" / "pictures"
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0


def test_the_message_that_the_network_is_explained_by_is_a_valid_one():
    page = (docs_support.ROOT / "docs" / "network.md").read_text()
    (message,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert not lifecycle.validate(json.loads(message))
    assert lifecycle.decode(message).trigger == "accept"


def _anchors(page):
    """Return the anchors of a page's headings, as the usual viewers of Markdown make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
