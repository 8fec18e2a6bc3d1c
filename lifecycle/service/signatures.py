"""Signatures of webhooks: four schemes, each over the bytes as they came, in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from attrs import frozen
from standardwebhooks import Webhook, WebhookVerificationError

from lifecycle.service.problems import ProblemError
from lifecycle.service.settings import Hook, Scheme, SettingsError

#: So far may the time of a signature be from ours.
WINDOW_SECONDS: Final = 5 * 60
#: So many signatures of one request are looked at.
_MOST: Final = 16
_MILLION: Final = 1_000_000
_DIGITS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
#: What HubSpot decodes in the address before it signs.
_DECODED: Final = dict(
    zip(
        ("%3A", "%2F", "%3F", "%40", "%21", "%24", "%27", "%28", "%29", "%2A", "%2C", "%3B"),
        ":/?@!$'()*,;",
        strict=True,
    )
)
_ENCODED: Final = re.compile("|".join(_DECODED), re.IGNORECASE)


@frozen
class Delivery:
    """A request to a webhook: what is signed of it.

    Attributes:
        method: The HTTP method.
        url: The address, as the sender knows it.
        headers: The headers, by names in lower case.
        body: The body, byte by byte.
        now: The time, in seconds since 1970.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    now: float


def check_signature(hook: Hook, delivery: Delivery) -> None:
    """Check that a request is signed with one of the secrets.

    Raises:
        ProblemError: It is not, or not within the window.
    """
    if not _SCHEMES[hook.scheme](hook.secrets, delivery):
        raise ProblemError("bad_signature", "expected a valid signature, not older than 5 minutes")


def signed_at(hook: Hook, headers: Mapping[str, str]) -> int | None:
    """Return when a valid delivery was signed, microseconds since 1970; None where none is stated.

    The same delivery has the same time whenever it comes, so that to replay it changes nothing.
    """
    match hook.scheme:
        case "standard":
            return int(float(headers["webhook-timestamp"]) * _MILLION)
        case "hubspot":
            return int(headers["x-hubspot-request-timestamp"]) * 1000
        case "stripe":
            return int(_stripe_parts(headers)[0]) * _MILLION
    return None


def check_secrets(name: str, hook: Hook) -> None:
    """Check that a webhook's secrets can be used.

    Raises:
        SettingsError: One is not in base64, as the scheme needs it.
    """
    if hook.scheme != "standard":
        return
    for secret in hook.secrets:
        try:
            Webhook(secret)
        except Exception:  # noqa: BLE001 - the library raises several kinds
            where = f"hooks.{name}.secrets"
            raise SettingsError(where, "expected base64, as in whsec_...") from None


def _network(secrets: Iterable[str], delivery: Delivery) -> bool:
    """Check ``X-Signature: sha1=HEX``. It has no time: what comes again is a duplicate."""
    scheme, _, signature = delivery.headers.get("x-signature", "").partition("=")
    if scheme.strip().lower() != "sha1":
        return False
    return _is_any(secrets, [signature], delivery.body, "sha1", bytes.hex)


def _standard(secrets: Iterable[str], delivery: Delivery) -> bool:
    """Check Standard Webhooks: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``."""
    stated = delivery.headers.get("webhook-signature", "").split(" ")[:_MOST]
    # The library stops at a signature that it cannot read, though another may be valid.
    readable = [one for one in stated if _is_readable(one)]
    headers = {**delivery.headers, "webhook-signature": " ".join(readable)}
    return any(_is_standard(secret, headers, delivery.body) for secret in secrets)


def _is_readable(signature: str) -> bool:
    version, _, text = signature.partition(",")
    try:
        return version == "v1" and bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _is_standard(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError, OverflowError):
        return False
    return True


def _hubspot(secrets: Iterable[str], delivery: Delivery) -> bool:
    """Check ``X-HubSpot-Signature-v3``, over method, address, body and time in milliseconds."""
    stated = delivery.headers.get("x-hubspot-request-timestamp", "")
    if not _is_recent(stated, 1000, delivery.now):
        return False
    url = _ENCODED.sub(lambda match: _DECODED[match[0].upper()], delivery.url)
    parts = (delivery.method.encode(), url.encode(), delivery.body, stated.encode())
    signature = delivery.headers.get("x-hubspot-signature-v3", "")
    return _is_any(secrets, [signature], b"".join(parts), "sha256", _base64)


def _stripe(secrets: Iterable[str], delivery: Delivery) -> bool:
    """Check ``Stripe-Signature: t=SECONDS,v1=HEX,...``, over time and body."""
    stated, signatures = _stripe_parts(delivery.headers)
    if not _is_recent(stated, 1, delivery.now):
        return False
    signed = b"%b.%b" % (stated.encode(), delivery.body)
    return _is_any(secrets, signatures, signed, "sha256", bytes.hex)


def _stripe_parts(headers: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the time and the signatures of a ``Stripe-Signature``."""
    header = headers.get("stripe-signature", "")
    pairs = [one.strip().partition("=")[::2] for one in header.split(",")]
    stated = next((value for name, value in pairs if name == "t"), "")
    return stated, [value for name, value in pairs if name == "v1"]


_SCHEMES: Final[dict[Scheme, Callable[[Iterable[str], Delivery], bool]]] = {
    "network": _network,
    "standard": _standard,
    "hubspot": _hubspot,
    "stripe": _stripe,
}


def _is_any(
    secrets: Iterable[str],
    signatures: Iterable[str],
    signed: bytes,
    hashed: str,
    write: Callable[[bytes], str],
) -> bool:
    """Return whether one of some signatures is that of one of the secrets."""
    expected = [
        write(hmac.new(secret.encode(), signed, getattr(hashlib, hashed)).digest()).encode()
        for secret in secrets
    ]
    stated = [one.strip().encode("utf-8", "surrogateescape") for one in signatures][:_MOST]
    return any(hmac.compare_digest(one, other) for one in expected for other in stated)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _is_recent(stated: str, unit: int, now: float) -> bool:
    if not _DIGITS.fullmatch(stated):
        return False
    return abs(now - int(stated) / unit) <= WINDOW_SECONDS
