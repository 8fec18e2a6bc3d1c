"""The same fold on Apache Spark, for more messages than one machine holds (extra ``spark``).

from lifecycle.spark import fold

summary = fold(session, ["s3a://bucket/log/"], out="s3a://bucket/leads")
"""

from lifecycle.spark.audit import audit
from lifecycle.spark.job import Summary, fold
from lifecycle.spark.session import load_guards, open_session

__all__ = ["Summary", "audit", "fold", "load_guards", "open_session"]
