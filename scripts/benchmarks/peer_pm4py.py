"""Conformance of a log with pm4py: reading, and token-based replay on a net of the same rules.

    peer_pm4py.py convert LOG FOLDER    write log.xes, log.csv and three.csv; not measured
    peer_pm4py.py conform FILE          print seconds, and leads that do not fit, as JSON
    peer_pm4py.py align RULES           print the cost of aligning each sequence of triggers, a JSON
                                        list on standard input, with the rules of a TOML file

log.xes and log.csv have an attribute or column for everything that the messages say; three.csv has
only the lead, the trigger and the time, which is all that the replay looks at. Copies are left out.

The net has a place for each state, and a transition for each edge and state that it leads from. A
lead may end in any state, so a silent transition leads from each place to the last one. Such a net
has no guards. Importing pm4py, and making the net, are not counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pandas as pd
import pm4py
from pm4py.objects.petri_net.obj import Marking, PetriNet
from pm4py.objects.petri_net.utils.petri_utils import add_arc_from_to

from lifecycle import STATES, Rules

_LEAD, _TRIGGER, _TIME = "case:concept:name", "concept:name", "time:timestamp"
_TRIGGERS: Final = {"add": "send"}


def convert(log: Path, folder: Path) -> None:
    """Write the log in the forms that pm4py reads."""
    with log.open("rb") as lines:
        messages = {message["id"]: message for message in map(orjson.loads, lines)}
    table = pd.DataFrame(map(row_of, messages.values()))
    table.to_csv(folder / "log.csv", index=False)
    table[[_LEAD, _TRIGGER, _TIME]].to_csv(folder / "three.csv", index=False)
    pm4py.write_xes(in_order(table), str(folder / "log.xes"), case_id_key=_LEAD)


def conform(file: Path) -> dict[str, Any]:
    """Read a file, and replay it on the net."""
    net, first, last = net_of(Rules.default())
    started = time.perf_counter()
    log = pm4py.read_xes(str(file)) if file.suffix == ".xes" else in_order(pd.read_csv(file))
    leads = pm4py.conformance_diagnostics_token_based_replay(log, net, first, last)
    seconds = time.perf_counter() - started
    unfit = sum(not lead["trace_is_fit"] for lead in leads)
    return {"seconds": seconds, "leads": len(leads), "unfit": unfit}


def align(rules: Path) -> list[int]:
    """How many moves of the log or of the net alone the best alignment of each sequence has."""
    sequences: list[list[str]] = json.load(sys.stdin)
    table = pd.DataFrame(
        (
            (f"{number:06}", trigger, pd.Timestamp(place, unit="s", tz="UTC"))
            for number, sequence in enumerate(sequences)
            for place, trigger in enumerate(sequence)
        ),
        columns=[_LEAD, _TRIGGER, _TIME],
    )
    net, first, last = net_of(Rules.from_toml(rules))
    log = pm4py.convert_to_event_log(table)
    aligned = pm4py.conformance_diagnostics_alignments(log, net, first, last)
    # A move that is not synchronous costs 10,000, a silent one of the net 1.
    return [int(one["cost"]) // 10_000 for one in aligned]


def row_of(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as a row: what pm4py must know under its own names, then everything."""
    action = message["topic"].partition("#")[2]
    return {
        _LEAD: message["data"]["object"]["identifier"]["salesforceid"],
        _TRIGGER: _TRIGGERS.get(action, action),
        _TIME: message["time"],
        **dict(leaves(message)),
    }


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each text and number in a message, with where it stands."""
    if not isinstance(value, (dict, list)):
        yield path, value
        return
    for name, one in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(one, f"{path}.{name}" if path else str(name))


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with real times, those of a lead together and in order."""
    times = pd.to_datetime(table[_TIME], format="ISO8601", utc=True)
    return table.assign(**{_TIME: times}).sort_values([_LEAD, _TIME])


def net_of(rules: Rules) -> tuple[PetriNet, Marking, Marking]:
    """Return the Petri net of a table of rules, and its first and last marking."""
    net = PetriNet(rules.name)
    places = {name: PetriNet.Place(name) for name in (*STATES, "end")}
    net.places.update(places.values())

    def add(name: str, label: str | None, source: str, target: str) -> None:
        transition = PetriNet.Transition(name, label)
        net.transitions.add(transition)
        add_arc_from_to(places[source], transition, net)
        add_arc_from_to(transition, places[target], net)

    for number, edge in enumerate(rules.edges):
        for source in edge.sources:
            add(f"{number}-{source}", edge.trigger, source, edge.target or source)
    for state in STATES:
        add(f"end-{state}", None, state, "end")
    return net, Marking({places["new"]: 1}), Marking({places["end"]: 1})


if __name__ == "__main__":
    command = {"convert": convert, "conform": conform, "align": align}[sys.argv[1]]
    print(json.dumps(command(*map(Path, sys.argv[2:]))))
