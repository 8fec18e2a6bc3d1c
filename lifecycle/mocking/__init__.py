"""Mock data: sample messages, and whole stories of leads with the truth that they tell.

Nothing here knows the machine, its rules or the fold: what a story says is known because it was
written that way. So a log and its truth are a check of everything else.

>>> from lifecycle.mocking import Plan, stories
>>> for delivery in stories(Plan(leads=3, seed=7)):  # doctest: +SKIP
...     send(delivery.message)
"""

from lifecycle.mocking.delivery import Delivery, stories
from lifecycle.mocking.plan import Plan, Properties
from lifecycle.mocking.sample import samples
from lifecycle.mocking.systems import SYSTEMS
from lifecycle.mocking.topics import TOPICS
from lifecycle.mocking.truth import Truth

__all__ = [
    "SYSTEMS",
    "TOPICS",
    "Delivery",
    "Plan",
    "Properties",
    "Truth",
    "samples",
    "stories",
]
