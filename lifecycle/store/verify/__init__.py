"""Verifying a store: that nothing in it was changed but by lifecycle, as far as it can be told."""

from lifecycle.store.verify.result import Defect, Verification

__all__ = ["Defect", "Verification"]
