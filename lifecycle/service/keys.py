"""Keys of the service: made once, shown once, kept as hashes in a file that its owner may read."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import tomli_w
from attrs import frozen

from lifecycle.replacing import replacing
from lifecycle.service.settings import SettingsError

Scope: TypeAlias = Literal["read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_PREFIX: Final = "lck_"
_SECRET_BYTES: Final = 32
_OWNER_ALONE: Final = 0o600
#: What is compared where no key was given, so that this takes as long.
_NOBODY: Final = hashlib.sha256(b"").hexdigest()


@frozen
class Key:
    """A key as it is kept.

    Attributes:
        name: Whose it is.
        digest: SHA-256 of it. It is random, so that no slower hash is needed.
        scopes: What it allows; ``admin`` allows everything.
    """

    name: str
    digest: str
    scopes: tuple[Scope, ...]

    def allows(self, scope: Scope) -> bool:
        """Return whether it allows what needs this scope."""
        return scope in self.scopes or "admin" in self.scopes


#: Who asks where no keys are configured.
ANYBODY: Final = Key("", "", ("admin",))


class KeyFile:
    """The file of keys; it is read again when it was changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def read(self) -> tuple[Key, ...]:
        """Return the keys.

        Raises:
            SettingsError: The file cannot be read.
        """
        try:
            status = self.path.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp != self._stamp:
                tables = tomllib.loads(self.path.read_text("utf-8"))
                self._keys = tuple(_key(name, table) for name, table in tables.items())
                self._stamp = stamp
        except OSError as error:
            raise SettingsError(str(self.path), f"cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise SettingsError(str(self.path), f"is no file of keys: {error}") from None
        return self._keys

    def find(self, secret: str) -> Key | None:
        """Return the key of this secret; how long that takes does not tell how near it came."""
        digest = digest_of(secret) if secret else _NOBODY
        found: Key | None = None
        for key in self.read():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def add(self, name: str, scopes: Iterable[Scope]) -> str:
        """Make a key; return its secret, which is kept nowhere.

        Raises:
            SettingsError: There is a key of this name, or the file holds something else.
            InputError: The file cannot be written.
        """
        keys = self.read() if self.path.exists() else ()
        if any(key.name == name for key in keys):
            raise SettingsError(str(self.path), f"there is a key {name!r} already: revoke it first")
        secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        self._write((*keys, Key(name, digest_of(secret), tuple(scopes))))
        return secret

    def revoke(self, name: str) -> None:
        """Take a key out.

        Raises:
            SettingsError: There is none of this name.
            InputError: The file cannot be written.
        """
        keys = self.read()
        rest = tuple(key for key in keys if key.name != name)
        if len(rest) == len(keys):
            raise SettingsError(str(self.path), f"there is no key {name!r}")
        self._write(rest)

    def _write(self, keys: Iterable[Key]) -> None:
        tables = {one.name: {"sha256": one.digest, "scopes": list(one.scopes)} for one in keys}
        with replacing(self.path) as unfinished:
            unfinished.touch(_OWNER_ALONE)
            unfinished.chmod(_OWNER_ALONE)
            unfinished.write_text(tomli_w.dumps(tables), "utf-8")


def digest_of(secret: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _key(name: str, table: Any) -> Key:
    digest, scopes = table["sha256"], tuple(table["scopes"])
    if not isinstance(digest, str) or not digest.isascii() or not set(scopes) <= set(SCOPES):
        raise TypeError(f"the key {name!r}")
    return Key(name, digest, scopes)
