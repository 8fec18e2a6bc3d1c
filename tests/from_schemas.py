"""Messages made from their JSON Schemas, nearly right: what a schema says is kept most of the time.

For the vocabulary that our schemas use. (hypothesis-jsonschema knows no dialect after draft 7, and
its objects do not work with the hypothesis of today.)
"""

import re

from hypothesis import strategies as st

from lifecycle.messages.patterns import DATE, STAMP, TIME, topic_pattern
from lifecycle.messages.topics import TRIGGER_OF_TOPIC

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "@id", "name", "propertyID", "value", "identifier", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=4,
)
NAMES = st.sampled_from(["a", "B", "", "type", "@type", "name", "propertyID", "system", "value"])
TEXTS = st.sampled_from(
    ["", "***", "a", "7", "é", "_", "²", "https://a.example.com/#me", "0", "null"]
)
NUMBERS = st.sampled_from([0, 7, -1, 1.5, 1e300, 2**63 - 1, -(2**63), 1772359200000]) | st.floats(
    allow_nan=False, allow_infinity=False
)
_WRITTEN = re.compile(DATE.replace("$", r"\Z"))
GOOD_TIMES = st.sampled_from(
    ["", "2026-03-01T10:00:00Z", "2026-03-01 10:00:00 +0000", "2026-03-01", "2024-02-29"]
) | st.from_regex(_WRITTEN)
TIMES = GOOD_TIMES | st.sampled_from(
    [
        "2026-02-29",
        "1900-02-29",
        "2026-03-01T24:00:00Z",
        "2026-03-01T10:00:60Z",
        "2026-03-01T10:00Z",
        "soon",
    ]
)
STAMPS = st.sampled_from(
    ["", "0", "1772359200000", "99999999999999", "999999999999999", "-1", "+1", "1_0", " 1", "٣"]
)
ALL = ("null", "boolean", "number", "string", "array", "object")


def nearly(schema):
    """Messages that this schema may accept."""
    return _Maker(schema["$defs"]).value(schema)


class _Maker:
    def __init__(self, definitions):
        self.definitions = definitions

    def parts(self, schema):
        """Return a schema and everything that holds at the same place."""
        if schema is True:
            return
        yield schema
        if "$ref" in schema:
            yield from self.parts(self.definitions[schema["$ref"].removeprefix("#/$defs/")])
        for name in ("then", "else"):
            if name in schema:
                yield from self.parts(schema[name])
        for one in schema.get("allOf", ()):
            yield from self.parts(one)

    def value(self, schema):
        return st.deferred(lambda: self._value(list(self.parts(schema))))

    def _value(self, parts):
        for number, one in enumerate(parts):
            if "anyOf" in one:
                rest = [*parts[:number], *parts[number + 1 :]]
                same = {name: part for name, part in one.items() if name != "anyOf"}
                return st.one_of(
                    [self._value([*rest, same, *self.parts(each)]) for each in one["anyOf"]]
                )
        options = [one["enum"] for one in parts if "enum" in one]
        if options:
            return st.sampled_from(options[0])
        kinds = [one["type"] for one in parts if "type" in one]
        kinds = [[one] if isinstance(one, str) else one for one in kinds]
        types = [one for one in ALL if all(one in kind for kind in kinds)]
        right = st.one_of([self._of_type(one, parts) for one in types])
        # One in so many is anything.
        return st.integers(0, 99).flatmap(lambda number: ANY if number == 23 else right)

    def _of_type(self, kind, parts):
        match kind:
            case "null":
                return st.none()
            case "boolean":
                return st.booleans()
            case "number":
                return NUMBERS
            case "string":
                return _texts(parts)
            case "array":
                items = next((one["items"] for one in parts if "items" in one), True)
                return st.lists(self.value(items), max_size=2)
            case _:
                return self._objects(parts)

    def _objects(self, parts):
        found, required = {}, set()
        for part in parts:
            required |= set(part.get("required", ()))
            for name, schema in part.get("properties", {}).items():
                found.setdefault(name, []).append(schema)
        properties = {
            name: self.value({"allOf": schemas}) for name, schemas in sorted(found.items())
        }
        more = [one["additionalProperties"] for one in parts if "additionalProperties" in one]
        others = st.dictionaries(NAMES, self.value(more[0]) if more else ANY, max_size=2)
        named = st.fixed_dictionaries(
            {name: one for name, one in properties.items() if name in required},
            optional={name: one for name, one in properties.items() if name not in required},
        )
        return st.tuples(others, named).map(lambda both: both[0] | both[1])


def _texts(parts):
    patterns = [one["pattern"] for one in parts if "pattern" in one]
    for topic in TRIGGER_OF_TOPIC:
        if topic_pattern(topic) in patterns:
            return st.sampled_from([topic, f"realestate/{topic}", f" {topic.upper()} "])
    if TIME in patterns or DATE in patterns:
        return st.integers(0, 29).flatmap(lambda number: TIMES if number == 23 else GOOD_TIMES)
    return STAMPS if STAMP in patterns else TEXTS
