"""Settings of the service: a TOML file, then environment variables, then options."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from attrs import evolve, field, fields, frozen

from lifecycle.errors import LifecycleError
from lifecycle.store import OnContactDelete

#: How a webhook is signed.
Scheme: TypeAlias = Literal["network", "standard", "hubspot", "stripe"]
#: What a webhook's body holds: messages, or what ``lifecycle import`` of this name reads.
Source: TypeAlias = Literal["network", "hubspot", "salesforce", "genesys"]

#: Names of this machine.
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PREFIX: Final = "LIFECYCLE_SERVE_"
_MIB: Final = 1024 * 1024
_LARGEST_PORT: Final = 65_535


class SettingsError(LifecycleError):
    """Settings of the service cannot be used; ``where`` names the setting."""

    def __init__(self, where: str, expected: str) -> None:
        self.where = where
        self.expected = expected
        super().__init__(f"{where}: {expected}")


@frozen
class Hook:
    """A webhook that is received at ``/hooks/NAME``.

    Attributes:
        scheme: How it is signed.
        source: What its body holds.
        secrets: What it is signed with; several while one takes the place of another.
        url: The address that the sender signs, where it is not the one that the request has.
    """

    scheme: Scheme
    source: Source
    secrets: tuple[str, ...] = field(repr=False)
    url: str | None = None


@frozen
class Subscription:
    """A subscription of the network that the service accepts when it is offered.

    Attributes:
        agent: Who offers it: the ``agent`` of the offer.
        object: The name of this service in it: the ``object`` of the offer.
        inbox: Where the answer is posted to. An address in an offer is never called.
        secret: What is sent as ``x-api-key`` with the answer, where one is needed.
    """

    agent: str
    object: str
    inbox: str
    secret: str | None = field(default=None, repr=False)


@frozen
class Settings:
    """The settings of a service.

    Attributes:
        host: The address to listen at.
        port: The port; 0 takes a free one.
        url: The address under which others reach it, where that is another one.
        hosts: Names under which it is reached, beside those of the address.
        keys: The file of keys; without one the service listens on loopback only.
        body_limit: The largest body, in bytes.
        messages: The most messages in one body.
        memory: The most bytes of bodies in work at once.
        queue: The most messages that wait for their commit.
        batch: The most messages in one commit.
        readers: The most requests that read the store at once.
        connections: The most connections open at once.
        header_limit: The largest head of a request, in bytes.
        header_seconds: The longest time that a request's head may take to arrive.
        body_seconds: The longest time that its body may take.
        rate: Requests a second of one key, on average; 0 for any number.
        feeds: The most clients that follow the feed at once.
        heartbeat_seconds: How often a feed without changes says that it is alive.
        on_contact_delete: With ``erase``, whoever's contact is deleted is erased; else ``keep``.
        targets: Beginnings of addresses that ``/api/replay`` may post to; without any, loopback.
        origins: Senders of CloudEvents that may deliver when they ask by OPTIONS; ``*`` for all.
        hooks: The webhooks, by name.
        subscriptions: Subscriptions of the network that are accepted when offered, by name.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    url: str | None = None
    hosts: tuple[str, ...] = ()
    keys: Path | None = None
    body_limit: int = 16 * _MIB
    messages: int = 20_000
    memory: int = 256 * _MIB
    queue: int = 10_000
    batch: int = 5_000
    readers: int = 4
    connections: int = 1_000
    header_limit: int = 64 * 1024
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    rate: float = 0.0
    feeds: int = 100
    heartbeat_seconds: float = 15.0
    on_contact_delete: OnContactDelete = "keep"
    targets: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    hooks: Mapping[str, Hook] = field(factory=dict)
    subscriptions: Mapping[str, Subscription] = field(factory=dict)

    @classmethod
    def load(cls, path: Path | None, environment: Mapping[str, str], **options: Any) -> Settings:
        """Return the settings of a file, overruled by the environment, then by options.

        Raises:
            SettingsError: The file cannot be read, or a setting cannot be used.
        """
        tables = {} if path is None else _read(path)
        named = {name: tables.pop(name, {}) for name in _TABLES}
        given = {name: _checked(name, value, name) for name, value in tables.items()}
        for name, text in environment.items():
            if name.startswith(_PREFIX):
                setting = name.removeprefix(_PREFIX).lower()
                given[setting] = _checked(setting, _from_text(setting, text, name), name)
        for name, value in options.items():
            if value is not None:
                given[name] = _checked(name, value, f"--{name}")
        given |= {name: _named_tables(name, value) for name, value in named.items()}
        if path is not None and given.get("keys") is not None:
            given["keys"] = path.parent / given["keys"]
        return evolve(cls(), **given)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise SettingsError(str(path), f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"is no TOML: {error}") from None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(map(_text, value)):
        return None
    return tuple(value)


def _path(value: Any) -> Path | None:
    return Path(value) if isinstance(value, (str, Path)) and str(value) else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < float("inf") else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _port(value: Any) -> int | None:
    is_port = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_PORT
    return value if is_port else None


def _on_contact_delete(value: Any) -> OnContactDelete | None:
    return value if value in get_args(OnContactDelete) else None


#: How a setting is read, by its type, and what is expected where it cannot be.
_KINDS: Final[dict[str, tuple[Callable[[Any], Any], str]]] = {
    "str": (_text, "expected a text"),
    "str | None": (_text, "expected a text"),
    "Path | None": (_path, "expected the path of a file"),
    "tuple[str, ...]": (_texts, "expected a list of texts"),
    "int": (_count, "expected a number above 0"),
    "float": (_number, "expected a number, 0 or above"),
    "OnContactDelete": (_on_contact_delete, "expected keep or erase"),
}


def _checked(name: str, value: Any, where: str) -> Any:
    """Return the value of a setting.

    Raises:
        SettingsError: There is no such setting, or it cannot have this value.
    """
    types = {one.name: str(one.type) for one in fields(Settings) if one.name not in _TABLES}
    if name not in types:
        raise SettingsError(where, f"no such setting; expected one of {', '.join(types)}")
    read, expected = _KINDS[types[name]]
    if name == "port":
        read, expected = _port, f"expected a port from 0 to {_LARGEST_PORT}"
    checked = read(value)
    if checked is None:
        raise SettingsError(where, f"{expected}, got {value!r:.80}")
    return checked


def _from_text(name: str, text: str, where: str) -> Any:
    """Return the value of an environment variable: a number, a list by commas, or the text."""
    kind = next((str(one.type) for one in fields(Settings) if one.name == name), "str")
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        raise SettingsError(where, f"expected a number, got {text!r:.80}") from None
    return [one.strip() for one in text.split(",")] if kind.startswith("tuple") else text


def _named_tables(name: str, tables: Any) -> dict[str, Any]:
    """Return what is set up by name: webhooks, or subscriptions."""
    if not isinstance(tables, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise SettingsError(name, f"expected a table for each, such as [{name}.crm]")
    read = _TABLES[name]
    return {one: read(f"{name}.{one}", dict(table)) for one, table in tables.items()}


def _hook(where: str, table: dict[str, Any]) -> Hook:
    scheme = _one_of(where, "scheme", table.pop("scheme", None), get_args(Scheme))
    usual = "hubspot" if scheme == "hubspot" else "network"
    source = _one_of(where, "source", table.pop("source", usual), get_args(Source))
    secrets = table.pop("secrets", None)
    if not isinstance(secrets, list) or not secrets:
        raise SettingsError(f"{where}.secrets", 'expected a list, such as [{env = "HOOK_SECRET"}]')
    url = table.pop("url", None)
    if url is not None and _text(url) is None:
        raise SettingsError(f"{where}.url", "expected an address")
    if table:
        raise SettingsError(f"{where}.{next(iter(table))}", "no such setting of a webhook")
    return Hook(scheme, source, tuple(_secret(f"{where}.secrets", one) for one in secrets), url)


def _subscription(where: str, table: dict[str, Any]) -> Subscription:
    given = {name: table.pop(name, None) for name in ("agent", "object", "inbox")}
    for name, value in given.items():
        if _text(value) is None:
            raise SettingsError(f"{where}.{name}", "expected an address")
    secret = table.pop("secret", None)
    if table:
        raise SettingsError(f"{where}.{next(iter(table))}", "no such setting of a subscription")
    return Subscription(
        **given, secret=None if secret is None else _secret(f"{where}.secret", secret)
    )


#: How what has a table for each name is read.
_TABLES: Final[dict[str, Callable[[str, dict[str, Any]], Any]]] = {
    "hooks": _hook,
    "subscriptions": _subscription,
}


def _one_of(where: str, name: str, value: Any, names: tuple[Any, ...]) -> Any:
    if value not in names:
        raise SettingsError(f"{where}.{name}", f"expected one of {', '.join(names)}")
    return value


def _secret(where: str, value: Any) -> str:
    """Return a secret: a text, or what an environment variable or a file holds."""
    match value:
        case str():
            secret = value
        case {"env": str(name), **rest} if not rest:
            secret = os.environ.get(name, "")
            where = f"{where}: the environment variable {name}"
        case {"file": str(name), **rest} if not rest:
            where = f"{where}: the file {name}"
            try:
                secret = Path(name).read_text("utf-8").strip()
            except OSError as error:
                raise SettingsError(where, f"cannot be read: {error.strerror}") from None
        case _:
            raise SettingsError(where, 'expected a text, {env = "NAME"} or {file = "PATH"}')
    if not secret:
        raise SettingsError(where, "expected a secret, got nothing")
    return secret
