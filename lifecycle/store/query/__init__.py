"""Reading: leads, histories, exports, and what was known at a moment."""

from typing import TYPE_CHECKING

from lifecycle.lazy import lazily

if TYPE_CHECKING:
    from lifecycle.store.query.audit_source import StoreEvidence
    from lifecycle.store.query.export import StoreListing

__all__ = ["StoreEvidence", "StoreListing"]

__getattr__ = lazily(__name__, {"audit_source": ("StoreEvidence",), "export": ("StoreListing",)})
