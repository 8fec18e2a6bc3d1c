"""The ledger: the chain over what was stored, its digest, and seals."""

from typing import TYPE_CHECKING

from lifecycle.lazy import lazily

if TYPE_CHECKING:
    from lifecycle.store.ledger.digest import digest_of

__all__ = ["digest_of"]

__getattr__ = lazily(__name__, {"digest": ("digest_of",)})
