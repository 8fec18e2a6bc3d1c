"""CloudEvents in binary mode: attributes beside a body, as HTTP and Kafka carry them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

import orjson

from lifecycle.messages.parse import is_json

_REQUIRED: Final = ("specversion", "id", "type", "source")
_DATA: Final = ("data", "data_base64")


def structured(attributes: Mapping[str, str], body: bytes) -> bytes:
    """Return a CloudEvent in binary mode as one in structured mode; any other body as it is."""
    if not all(name in attributes for name in _REQUIRED):
        return body
    event = {name: text for name, text in attributes.items() if name not in _DATA}
    head = orjson.dumps(event)[:-1]
    if is_json(body):
        return b'%b,"data":%b}' % (head, body)
    return b'%b,"data_base64":"%b"}' % (head, base64.b64encode(body))
