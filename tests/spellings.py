"""Spellings of names and parties that must not matter."""

import unicodedata

from hypothesis import strategies as st

from lifecycle.domain.names import salesforce_id, trimmed

GUID = "bbc1f449-21b3-41d8-a588-2d1c7d43281e"
EMAIL = "joe@bloggs.example"
WEB = "https://joe.example/card?x=%2Fy#me"
HOME = "https://home.example/"
SALESFORCE = "00Q0000000Ex01AEAR"
COMPOSED = "caf\u00e9-17"

#: Identifiers, each a scheme and a value in normal form.
NAMES = (
    ("crmleadid", "EX-17"),
    ("crmleadid", "1001"),
    ("crmleadid", COMPOSED),
    ("dynamicsid", GUID),
    ("mail", EMAIL),
    ("url", WEB),
    ("url", HOME),
    ("salesforceid", SALESFORCE),
)
#: Ids of parties in normal form.
PARTIES = (WEB, HOME, EMAIL, GUID, "genesysagentid:ada")
BLANKS = st.sampled_from(["", " ", "\u00a0", "\t", "\u2060"])
PLACEHOLDERS = st.sampled_from(
    [
        "***",
        "null",
        "none",
        "nil",
        "undefined",
        "unknown",
        "n/a",
        "na",
        "tbd",
        "\\N",
        "0",
        "-1",
        "false",
        "true",
        "00000000-0000-0000-0000-000000000000",
    ]
)


def in_some_case(text):
    return st.sampled_from([text, text.upper(), text.title()])


@st.composite
def around(draw, text):
    return draw(BLANKS) + text + draw(BLANKS)


@st.composite
def guids(draw):
    text = draw(in_some_case(GUID))
    return draw(st.sampled_from([text, f"{{{text}}}", f"urn:uuid:{text}", f"URN:UUID:{text}"]))


@st.composite
def addresses(draw, address):
    scheme = draw(st.sampled_from(["https", "HTTP", "http", "Https"]))
    host, slash, rest = address.removeprefix("https://").partition("/")
    port = draw(st.sampled_from(["", ":443", ":80", ":"]))
    if not rest and draw(st.booleans()):
        slash = ""
    if rest:
        rest = draw(st.sampled_from([rest, rest.replace("%2F", "%2f"), rest.replace("j", "%6A")]))
        rest = draw(st.sampled_from([rest, f"./{rest}", f"away/../{rest}"]))
    return f"{scheme}://{draw(in_some_case(host))}{port}{slash}{rest}"


def spellings(value):
    """Every value that is written like this one."""
    match value:
        case str() if value == GUID:
            found = guids()
        case str() if value == EMAIL:
            found = in_some_case(EMAIL)
        case str() if value in (WEB, HOME):
            found = addresses(value)
        case str() if value == SALESFORCE:
            found = st.sampled_from([value, value[:15], value.upper(), value.lower()])
        case str() if value == COMPOSED:
            found = st.sampled_from([value, unicodedata.normalize("NFD", value)])
        case _:
            found = st.just(value)
    return found.flatmap(around)


@st.composite
def identifiers(draw, pairs):
    """Return the identifiers of a lead or contact, in any of their shapes and spellings."""
    written = [
        (draw(in_some_case(scheme).flatmap(around)), draw(written_values(value)))
        for scheme, value in pairs
    ]
    schemes = [scheme for scheme, _ in written]
    if len(written) == 1 and draw(st.booleans()):
        ((scheme, value),) = written
        name = draw(st.sampled_from(["name", "propertyID", "system"]))
        return {"type": "PropertyValue", name: scheme, "value": value}
    if len(set(schemes)) < len(schemes) or draw(st.booleans()):
        return [{"name": scheme, "value": value} for scheme, value in written]
    flags = draw(
        st.dictionaries(st.sampled_from(["@context", "isTest"]), st.sampled_from([True, False]))
    )
    return dict(written) | flags


def written_values(value):
    if value == "1001":
        return st.sampled_from([1001, 1001.0, "1001", " 1001 "])
    return spellings(value)


@st.composite
def parties(draw, party):
    if party.startswith("genesys"):
        scheme, _, value = party.partition(":")
        return {"identifier": {draw(in_some_case(scheme)): draw(in_some_case(value))}}
    text = draw(spellings(party))
    if party == EMAIL and draw(st.booleans()):
        text = f"mailto:{trimmed(text)}"
    return draw(st.sampled_from([text, [text], {"id": text}, {"@id": text}, [{"id": text}, "x"]]))


def test_data_is_in_normal_form():
    assert salesforce_id(SALESFORCE[:15]) == SALESFORCE
