"""Checking messages: against the JSON Schema of their topic, and against what is decoded.

Both accept the same; the decoder says more clearly what is wrong, the schema where it is written.
Beyond that the formats are asserted: a party that is no URI, a date without an offset. Such a
message is decoded all the same, and is not as the network says that it must be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import evolve

from lifecycle.domain import Problem, immutable
from lifecycle.errors import MessageError, MissingExtraError
from lifecycle.messages.decode import Message, as_bytes, below
from lifecycle.messages.event import event_of
from lifecycle.messages.parse import parse_message
from lifecycle.messages.schemas import message_schema
from lifecycle.messages.topics import TRIGGER_OF_TOPIC, plain_topic
from lifecycle.messages.transports import Broken, unfold
from lifecycle.messages.wrappers import Envelope, unwrap
from lifecycle.text import counted

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

Path: TypeAlias = tuple[str | int, ...]

_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_QUOTED: Final = str.maketrans({"\\": "\\\\", "'": "\\'"})
_NAME: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


@immutable
class Violation:
    """One thing in a message that is not as its schema says.

    Attributes:
        place: Where, in the message as it came: ``data.object.@id``. What is missing is named, too.
        keyword: The keyword of the schema; for what no schema can say the code of the problem.
        data_path: Where, as code would write it (``.data.object['@id']``), by the rules of the
            network's validator: what is missing has the path of what it is missing in.
        schema_path: Where in the schema, as a JSON pointer; ``#`` for what no schema can say.
        params: What the keyword asks for.
        message: What is wrong, in words.
        got: The value whose format is not as it must be.
    """

    place: str
    keyword: str
    data_path: str
    schema_path: str
    params: dict[str, Any]
    message: str
    got: Any = None

    def as_dict(self) -> dict[str, Any]:
        """Return the violation as the network's own validator prints it."""
        return {
            "keyword": self.keyword,
            "dataPath": self.data_path,
            "schemaPath": self.schema_path,
            "params": self.params,
            "message": self.message,
        }

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        got = f", got {self.got!r:.80}" if self.got is not None else ""
        return f"{where}{self.message}{got} ({self.keyword})"


@immutable
class Checked:
    """The result of checking one message.

    Attributes:
        topic: None where it could not be told.
        violations: In the order of their places; a valid message has none.
        is_decoded: Whether the decoder accepts it; a broken format does not prevent that.
    """

    topic: str | None
    violations: tuple[Violation, ...]
    is_decoded: bool

    @property
    def is_ignored(self) -> bool:
        """True if the topic does not concern leads: there is nothing to check it against."""
        return self.topic is not None and self.topic not in TRIGGER_OF_TOPIC

    @property
    def is_valid(self) -> bool:
        """True if nothing was found."""
        return not self.violations

    def as_dict(self) -> dict[str, Any]:
        """Return the result as the network's own validator prints it; an ignored topic is named."""
        if self.is_ignored:
            return {"isValid": True, "ignored": self.topic}
        if self.is_valid:
            return {"isValid": True}
        items = [one.as_dict() for one in self.violations]
        return {"isValid": False, "error": {"message": self._message(), "items": items}}

    def _message(self) -> str:
        problems = counted(len(self.violations), "problem")
        return f"{problems}; {'decoded all the same' if self.is_decoded else 'not decoded'}"


def validate(message: Message) -> tuple[Violation, ...]:
    """Return all in a message that is not as its schema says; of a page, in all its messages.

    A message whose topic does not concern leads has nothing to be checked against.

    Raises:
        MissingExtraError: The extra ``validate`` is not installed.
        TypeError: It holds what JSON cannot say: the caller's mistake, not the sender's.
    """
    return tuple(violation for one in checked(message) for violation in one.violations)


def checked(message: Message) -> Iterator[Checked]:
    """Yield the same by message; an inbox page or an array yields one for each it contains."""
    try:
        value = parse_message(as_bytes(message))
    except MessageError as error:
        yield unreadable(error.problems)
        return
    for path, part in unfold(value):
        if isinstance(part, Broken):
            yield unreadable([below(path, part.problem)])
        else:
            yield _checked(part, path)


def unreadable(problems: Iterable[Problem]) -> Checked:
    """Return the result for what is no message at all."""
    return Checked(None, tuple(_of_problem(one) for one in problems), is_decoded=False)


def _checked(value: Any, path: str) -> Checked:
    envelope = unwrap(value)
    if isinstance(envelope, Problem):
        return unreadable([below(path, envelope)])
    if envelope.topic not in TRIGGER_OF_TOPIC:
        return Checked(envelope.topic, (), is_decoded=False)
    problems: tuple[Problem, ...] = ()
    try:
        event_of(envelope)
    except MessageError as error:
        problems = error.problems
    canonical, places = _canonical(envelope)
    validator = _validator(envelope.topic)
    if not problems and validator.is_valid(canonical):
        return Checked(envelope.topic, (), is_decoded=True)
    found = [_of_error(one, places, _steps(path)) for one in validator.iter_errors(canonical)]
    violations = _joined([below(path, one) for one in problems], found)
    return Checked(envelope.topic, violations, is_decoded=not problems)


@cache
def _validator(topic: str) -> Validator:
    try:
        from jsonschema_rs import Draft202012Validator  # noqa: PLC0415 - it comes with an extra
    except ImportError:
        raise MissingExtraError("Checks by a schema", "jsonschema-rs", "validate") from None
    return Draft202012Validator(message_schema(topic), validate_formats=True)


def _canonical(envelope: Envelope) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return the message as the schemas describe it, and where its parts stand in the original."""
    value: dict[str, Any] = {}
    places = {"data": _steps(envelope.path), "time": _steps(envelope.place("time"))}
    for name, place, part in envelope.delivery():
        value[name] = part
        places[name] = _steps(place)
    written = value.get("topic")
    if not isinstance(written, str) or plain_topic(written) != envelope.topic:
        value["topic"] = envelope.topic
    return value | {"data": envelope.data}, places


def _joined(problems: list[Problem], found: list[Violation]) -> tuple[Violation, ...]:
    """Join what the decoder and the schema say, each thing once.

    Where both speak of one place the decoder is clearer. Alternatives, none of which is met, follow
    from something else that the decoder has named.
    """
    places: dict[str, Violation] = {}
    for violation in found:
        places.setdefault(violation.place, violation)
    said = [_of_problem(one, places.pop(one.path, None)) for one in problems]
    more = [one for one in places.values() if not (problems and one.keyword == "anyOf")]
    return tuple(sorted([*said, *more], key=str))


def _of_problem(problem: Problem, violation: Violation | None = None) -> Violation:
    """Say what the decoder says, with the words of the schema where it speaks of the same."""
    if violation is not None and violation.keyword != "format":
        return evolve(violation, message=problem.message)
    return Violation(
        place=problem.path,
        keyword=problem.code,
        data_path=_as_code(_steps(problem.path)),
        schema_path="#",
        params={},
        message=problem.message,
    )


def _of_error(error: ValidationError, places: dict[str, Path], prefix: Path) -> Violation:
    keyword = error.kind.name
    params = _params(keyword, error)
    path = tuple(error.instance_path)
    place = path
    if keyword == "required":
        place = (*path, params["missingProperty"])
    elif keyword == "anyOf" and not path:
        # The only alternatives of the whole message: where it may say when it happened.
        place = ("time",)
    return Violation(
        place=_plain(_original(place, places, prefix)),
        keyword=keyword,
        data_path=_as_code(_original(path, places, prefix)),
        schema_path="/".join(["#", *(_escaped(one) for one in error.schema_path)]),
        params=params,
        message=_message(keyword, params),
        got=error.instance if keyword == "format" else None,
    )


def _original(path: Path, places: dict[str, Path], prefix: Path) -> Path:
    """Return where a part of the canonical envelope stands in the message that came."""
    if not path:
        return prefix
    first, *rest = path
    return (*prefix, *places.get(str(first), (first,)), *rest)


def _params(keyword: str, error: ValidationError) -> dict[str, Any]:
    """Return what the keyword asks for, by the names that the network's validator (ajv 6) gives."""
    asked = error.kind.as_dict()
    match keyword:
        case "type":
            return {"type": ",".join(asked["types"])}
        case "required":
            return {"missingProperty": asked["property"]}
        case "minimum" | "maximum":
            comparison = ">=" if keyword == "minimum" else "<="
            return {"comparison": comparison, "limit": asked["limit"], "exclusive": False}
        case "pattern" | "format":
            return {keyword: asked[keyword]}
        case _:
            return {}


def _message(keyword: str, params: dict[str, Any]) -> str:
    """Say what is wrong, in the words of the network's validator."""
    if keyword in _MESSAGES:
        return _MESSAGES[keyword](params)
    return f'should pass "{keyword}" keyword validation'


_MESSAGES: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "anyOf": lambda _: "should match some schema in anyOf",
    "format": lambda params: f'should match format "{params["format"]}"',
    "maximum": lambda params: f"should be <= {params['limit']}",
    "minimum": lambda params: f"should be >= {params['limit']}",
    "pattern": lambda params: f'should match pattern "{params["pattern"]}"',
    "required": lambda params: f"should have required property '{params['missingProperty']}'",
    "type": lambda params: f"should be {params['type']}",
}


def _escaped(step: str | int) -> str:
    """Return a step of a JSON pointer (RFC 6901)."""
    return str(step).replace("~", "~0").replace("/", "~1")


def _steps(path: str) -> Path:
    """Return the steps of a path such as ``contains[3].data``."""
    return tuple(int(number) if number else name for number, name in _STEP.findall(path))


def _as_code(path: Path) -> str:
    return "".join(map(_step, path))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _NAME.fullmatch(step) else f"['{step.translate(_QUOTED)}']"


def _plain(path: Path) -> str:
    """Return the path as the decoder's problems have it: ``contains[3].data.object.@id``."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(parts).removeprefix(".")
