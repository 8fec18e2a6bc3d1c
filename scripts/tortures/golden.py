"""Golden stores: one of each release, which every later version opens and goes on with."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from result import Amount, Result
from stores import defects, folder, said
from stories import deletion, letter, messages

from lifecycle import LeadReader, LeadStore, Rules, __version__
from lifecycle.errors import LifecycleError

DOES: Final = (
    "every golden store is opened, verified, and gone on with: {runs:,} rounds of {size:,} messages"
)
HOLDS: Final = (
    "it says what it said when it was made, verifies with the head of then, takes messages in, is"
    " rebuilt, and verifies again"
)
FULL: Final = Amount(20, 200)
QUICK: Final = Amount(1, 20)
PLACE: Final = Path(__file__).resolve().parents[2] / "tests" / "golden"
_NOW: Final = 1_900_000_000_000_000
_MESSAGES: Final = 300
_SEED: Final = 15


def run(seed: int, amount: Amount) -> Result:
    """Go on with each golden store."""
    result = Result()
    with folder() as place:
        for golden in sorted(PLACE.glob("*.db")):
            for number in range(amount.runs):
                path = place / f"{number}.db"
                shutil.copy(golden, path)
                result.runs += 1
                try:
                    wrong = list(_went_wrong(path, golden, seed + number, amount.size))
                except (LifecycleError, sqlite3.Error) as error:
                    wrong = [f"{type(error).__name__}: {error}"]
                result.failures += [f"seed {seed + number}: {golden.name}: {one}" for one in wrong]
                path.unlink()
    return result


def _went_wrong(path: Path, golden: Path, seed: int, size: int) -> Iterator[str]:
    """Yield what is not as it was, or does not go on."""
    told = json.loads(golden.with_suffix(".json").read_text())
    with LeadReader(path) as store:
        if what_it_says(store) != told:
            yield "it does not say what it said"
    yield from defects(path)
    with LeadStore(path, clock=lambda: _NOW, accept_clock=True) as store:
        store.apply_many(messages(seed, size))
        if not store.verify(told["head"]).sound:
            yield "it does not verify with messages behind it"
        before = said(store)
        store.rebuild()
        if said(store) != before:
            yield "a rebuild changes what it says"
        if not store.verify(told["head"]).sound:
            yield "it does not verify when it was rebuilt"


def what_it_says(store: LeadReader) -> dict[str, Any]:
    """Return what a store says of itself."""
    return {
        "head": str(store.head()),
        "digest": store.digest(),
        "says": said(store),
        "leads": store.lead_count(),
        "states": store.states(),
        "changes": store.last_change(),
        "quarantined": len(store.quarantine_numbers()),
    }


def make(place: Path) -> Path:
    """Make the golden store of this version; return where it is."""
    place.mkdir(exist_ok=True)
    path = place / f"{__version__}.db"
    now = _NOW - _MESSAGES * 1_000_000
    with LeadStore(path, clock=lambda: now) as store:
        some = messages(_SEED, _MESSAGES)
        store.apply_many(some[:200], batch=50)
        store.apply_many(["{", "\ud800", {"topic": "contact#add", "data": {}}])
        for message in some[200:]:
            now += 1_000_000
            store.apply(message)
        store.apply(letter("accept", 3, 1, keys={"crmLeadId": "0"}, contact={"c": "0"}))
        store.apply(deletion(400, 400, {"c": "1"}))
        said_value = {"source": "salesforce", "field": "Status", "old": "New", "new": "Working"}
        change = letter("update", 401, 401, keys={"crmLeadId": "2"}, contact={})
        change["data"] |= said_value
        store.apply(change | {"topic": "lead#change"})
        store.rebuild(Rules.default())
        store.session().cursor("log.jsonl")
        store.erase("crmleadid:5", all_of_them=True)
        told = what_it_says(store)
    with sqlite3.connect(path) as plain:
        plain.execute("PRAGMA journal_mode = DELETE")
    path.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")
    return path
