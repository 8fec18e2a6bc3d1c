"""Other systems: their exports and logs as field changes.

>>> from lifecycle.systems import read_files
>>> with read_files("salesforce", [Path("LeadHistory.csv")]) as reading:  # doctest: +SKIP
...     imported = load(store, reading)
"""

from lifecycle.systems.layout import Layout, default_text
from lifecycle.systems.loading import Imported, load
from lifecycle.systems.notifications import facts_of
from lifecycle.systems.reading import KINDS, Fact, Reading, read_files
from lifecycle.systems.tally import Tally

__all__ = [
    "KINDS",
    "Fact",
    "Imported",
    "Layout",
    "Reading",
    "Tally",
    "default_text",
    "facts_of",
    "load",
    "read_files",
]
