"""Other systems: their exports and logs as field changes.

>>> from lifecycle.systems import read_files
>>> with read_files("salesforce", [Path("LeadHistory.csv")]) as reading:  # doctest: +SKIP
...     for fact in reading.facts():
...         store.apply(fact.text)
"""

from lifecycle.systems.layout import Layout, default_text
from lifecycle.systems.reading import KINDS, Fact, Reading, read_files
from lifecycle.systems.tally import Tally

__all__ = ["KINDS", "Fact", "Layout", "Reading", "Tally", "default_text", "read_files"]
