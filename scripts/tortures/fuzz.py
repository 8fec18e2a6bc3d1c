"""Fuzzed lines, made from the examples of the seeds."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, Final

from result import Amount, Result

from lifecycle import Identity, LeadStore
from lifecycle.messages import Ignored, Undecodable, read_message
from lifecycle.store import Packed, to_stored

DOES: Final = (
    "fuzzed lines, from the seeds' examples as corpus: {runs:,}; of every fifty blocks of {size:,}"
    " one is put into a store, too"
)
HOLDS: Final = "each is accepted, ignored or quarantined; no other exception; the store is sound"
FULL: Final = Amount(10_000_000, 1000)
QUICK: Final = Amount(3000, 500)
_ROOT: Final = Path(__file__).parents[2]
_FOLDED: Final = 50
_ANYBODY: Final = Identity()
_ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**63, 2**64, 1e308, float("nan"), "", "***", "string", [], {}, [[]],
    "\ud800", "\x00", "2026-13-01", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60+23:59",
    "2024-02-30T00:00:00.1234567890Z", "a" * 5000, {"@id": 1}, {"id": None}, [{"name": 1}],
)  # fmt: skip
_TOKENS: Final = (b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\u", b"\\", b"\x00", b"\xff", b"1e9")


@lru_cache
def corpus() -> tuple[bytes, ...]:
    """Return the examples: each message in one line."""
    found = []
    for path in sorted((_ROOT / "tests" / "seeds").iterdir()):
        raw = path.read_bytes()
        try:
            found.append(json.dumps(json.loads(raw)).encode())
        except ValueError:
            found.append(raw)
    return (*found, *(_ROOT / "docs" / "sample.jsonl").read_bytes().splitlines())


def run(seed: int, amount: Amount) -> Result:
    """Read fuzzed lines, in blocks that have a seed each."""
    result = Result()
    kinds: Counter[str] = Counter()
    for block in range(-(-amount.runs // amount.size)):
        number = seed + block
        rng = Random(f"fuzz/{number}")
        lines = [line_of(rng) for _ in range(min(amount.size, amount.runs - result.runs))]
        wrong = [found for line in lines if (found := _read(line, kinds))]
        if block % _FOLDED == 0:
            wrong += _apply(lines)
        result.runs += len(lines)
        result.failures += [f"seed {number}: {one}" for one in wrong]
    result.notes += [f"{kind}: {count:,}" for kind, count in sorted(kinds.items())]
    return result


def line_of(rng: Random) -> bytes:
    """Return a line that is an example, but for some changes."""
    line = rng.choice(corpus())
    if rng.random() < 0.6:  # noqa: PLR2004
        line = _changed(rng, line)
    if rng.random() < 0.5:  # noqa: PLR2004
        line = _mangled(rng, line)
    return line


def _changed(rng: Random, line: bytes) -> bytes:
    """Values of the message replaced, left out, renamed."""
    try:
        root = json.loads(line)
    except ValueError:
        return line
    for _ in range(rng.choice((1, 1, 2, 5))):
        places = list(_places(root))
        if not places:
            break
        parent, key = rng.choice(places)
        match rng.randrange(4):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, dict):
                parent[rng.choice(("id", "@id", "type", "time", "x", str(key).upper()))] = (
                    parent.pop(key)
                )
            case 2:
                parent[key] = json.loads(json.dumps(rng.choice((root, [root], [parent[key]] * 3))))
            case _:
                parent[key] = deepcopy(rng.choice(_ODD))
    return json.dumps(root, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")  # noqa: PLR2004


def _places(value: Any) -> Any:
    """Every place in a value, as its container and key."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def _mangled(rng: Random, line: bytes) -> bytes:
    """Bytes of the line flipped, left out, doubled, put in, or spliced with another's."""
    raw = bytearray(line)
    for _ in range(rng.choice((1, 1, 2, 8))):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.choice((1, 1, 2, 10, 200)))
        match rng.randrange(5):
            case 0 if start < len(raw):
                raw[start] ^= 1 << rng.randrange(8)
            case 1:
                del raw[start:end]
            case 2:
                raw[start:start] = raw[start:end]
            case 3:
                raw[start:start] = rng.choice(_TOKENS)
            case _:
                other = rng.choice(corpus())
                raw[start:] = other[rng.randrange(len(other)) :]
    return bytes(raw)


def _read(line: bytes, kinds: Counter[str]) -> str | None:
    """Return what else than a verdict came of a line."""
    try:
        for message in (to_stored(one, _ANYBODY) for one in read_message(line)):
            match message:
                case Packed():
                    kinds["accepted"] += 1
                case Ignored():
                    kinds["ignored"] += 1
                case Undecodable():
                    kinds["quarantined"] += 1
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"{type(error).__name__}: {error}: {line[:300]!r}"
    return None


def _apply(lines: list[bytes]) -> list[str]:
    """Put lines into a store; what is wrong then."""
    try:
        with LeadStore(":memory:") as store:
            outcomes = store.apply_many(lines, batch=100)
            (events,) = store._connection.execute("SELECT count(*) FROM event").fetchone()
            stored = sum(one.kind in ("applied", "refused", "noted") for one in outcomes)
            wrong = [f"{one.check}: {one}" for one in store.verify().defects]
            return [*wrong, f"{events} events of {stored}"] if events != stored else wrong
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return [f"in a store: {type(error).__name__}: {error}"]
