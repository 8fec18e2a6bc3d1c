"""Values: classes whose objects never change, without paying for it at run time.

To type checkers ``immutable`` is ``attrs.frozen``, so that assigning to a field is an error which
the build finds. At run time it is ``attrs.define`` with equality and a hash: attrs guards frozen
objects by calling ``object.__setattr__`` for every field, which triples the price of making one.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import frozen as immutable
else:
    from functools import partial

    from attrs import define

    immutable = partial(define, unsafe_hash=True)

__all__ = ["immutable"]
