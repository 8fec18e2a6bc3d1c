"""Other systems: their exports and logs into messages of the network, and into a store.

>>> from lifecycle import LeadStore
>>> from lifecycle.systems import load, read_salesforce
>>> with read_salesforce(Path("LeadHistory.csv")) as source:  # doctest: +SKIP
...     with LeadStore("leads.db") as store:
...         imported = load(store, source)
"""

from lifecycle.systems.genesys import read_genesys
from lifecycle.systems.hubspot import read_hubspot
from lifecycle.systems.mapping import Mapping, default_text
from lifecycle.systems.salesforce import read_salesforce
from lifecycle.systems.source import Imported, Made, Source, Tally, Unmapped, load
from lifecycle.systems.table import read_csv

__all__ = [
    "Imported",
    "Made",
    "Mapping",
    "Source",
    "Tally",
    "Unmapped",
    "default_text",
    "load",
    "read_csv",
    "read_genesys",
    "read_hubspot",
    "read_salesforce",
]
