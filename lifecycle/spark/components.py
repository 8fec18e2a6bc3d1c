"""Connected components over keys: on the driver, or by rounds on the cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal, TypeAlias, get_args

import pyarrow as pa
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from lifecycle.engine import name_clusters
from lifecycle.errors import ArgumentError

Method: TypeAlias = Literal["auto", "driver", "rounds"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
#: So many edges the driver takes; each costs it some hundred bytes.
_DRIVER_EDGES: Final = 5_000_000
_MOST_ROUNDS: Final = 100

#: Writes a frame down under a name, and returns it as it was written.
Writer: TypeAlias = "Callable[[str, Callable[[], Any]], Any]"


def edges_of(events: Any) -> Any:
    """Return the edges of events: from the first key of each to its other ones, each once."""
    first = F.col("keys")[0].alias("low")
    pairs = events.where(F.size("keys") > 1).select(first, F.explode("keys").alias("high"))
    pairs = pairs.where("low <> high")
    return pairs.select(
        F.least("low", "high").alias("low"), F.greatest("low", "high").alias("high")
    ).distinct()


def clusters_of(session: Any, edges: Any, method: Method, write: Writer) -> Any:
    """Return the keys of edges with the names of their clusters: ``key``, ``cluster``.

    A cluster is called as its smallest key, whatever the method. ``auto`` leaves it to the driver
    while the edges are few.
    """
    if method == "auto":
        method = "driver" if edges.count() <= _DRIVER_EDGES else "rounds"
    return _on_driver(session, edges) if method == "driver" else _by_rounds(edges, write)


def _on_driver(session: Any, edges: Any) -> Any:
    """Find the components on the driver, by union-find."""
    table = edges.select("low", "high").toArrow()
    pairs = zip(table["low"].to_pylist(), table["high"].to_pylist(), strict=True)
    named = list(name_clusters(pairs))
    columns = zip(*named, strict=True) if named else ((), ())
    arrays = [pa.array(column, pa.string()) for column in columns]
    return session.createDataFrame(pa.table(arrays, names=["key", "cluster"]))


def _by_rounds(edges: Any, write: Writer) -> Any:
    """Find the components by large stars and small stars, in turns, until nothing changes.

    Neighbours are never collected: a hub has very many. Each round is written down, so that the
    next one does not depend on what an executor held.
    """
    sign: tuple[Any, ...] = ()
    for number in range(1, _MOST_ROUNDS + 1):
        edges = write(f"round-{number}", partial(_next_round, edges))
        last, sign = sign, _sign(edges)
        if sign == last:
            return edges.select(F.col("high").alias("key"), F.col("low").alias("cluster"))
    raise ArgumentError(f"the clusters did not settle within {_MOST_ROUNDS} rounds")


def _next_round(edges: Any) -> Any:
    return _small_stars(_large_stars(edges))


def _large_stars(edges: Any) -> Any:
    """Link each node's larger neighbours to the smallest one, or to itself."""
    both = edges.select(F.col("high").alias("node"), F.col("low").alias("other")).union(
        edges.select(F.col("low").alias("node"), F.col("high").alias("other"))
    )
    least = both.groupBy("node").agg(F.min("other").alias("least"))
    least = least.select("node", F.least("node", "least").alias("least"))
    links = both.join(least, "node").where("other > node")
    return links.select(F.col("least").alias("low"), F.col("other").alias("high")).distinct()


def _small_stars(edges: Any) -> Any:
    """Link each node, and its smaller neighbours, to the smallest of them."""
    least = edges.groupBy("high").agg(F.min("low").alias("least"))
    links = edges.join(least, "high").where("low <> least")
    moved = links.select(F.col("least").alias("low"), F.col("low").alias("high"))
    kept = least.select(F.col("least").alias("low"), F.col("high"))
    return moved.union(kept).distinct()


def _sign(edges: Any) -> tuple[Any, ...]:
    """Return what changes when edges do: their number, and sums of their hashes."""
    parts = F.xxhash64("low", "high").cast("decimal(38,0)")
    return tuple(edges.agg(F.count("*"), F.sum(parts)).first())
