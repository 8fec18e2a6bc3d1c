"""The ledger: the chain over what was stored, its digest, and seals."""
