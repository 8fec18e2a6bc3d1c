"""The steps that every engine calls: lines to rows, rows to contents, clusters to leads.

There is no engine in it and no file. An engine moves the rows between the steps: it sorts contents
by id, finds the clusters, and gives each cluster's events in fold order.
"""

from lifecycle.engine.clusters import name_clusters
from lifecycle.engine.contents import Content, ContentEvent, contents_by_id
from lifecycle.engine.folding import GIANT, clusters_of, fold_clusters
from lifecycle.engine.reading import MessageRow, message_rows
from lifecycle.engine.rows import ClusterRows
from lifecycle.engine.tables import (
    CHOSEN,
    CONTENTS,
    FINDINGS,
    HISTORY,
    IGNORED,
    JOB,
    LEADS,
    MESSAGES,
    QUARANTINE,
    SUMMARY,
)

__all__ = [
    "CHOSEN",
    "CONTENTS",
    "FINDINGS",
    "GIANT",
    "HISTORY",
    "IGNORED",
    "JOB",
    "LEADS",
    "MESSAGES",
    "QUARANTINE",
    "SUMMARY",
    "ClusterRows",
    "Content",
    "ContentEvent",
    "MessageRow",
    "clusters_of",
    "contents_by_id",
    "fold_clusters",
    "message_rows",
    "name_clusters",
]
