"""New rows of one bucket of one table, merged with those that stand there.

Rows that share a table's key are one unit (the events of one resource, one image). A newer
version replaces it whole: by `version_time`, then `version_id`, then the order of the runs.
What says the same as before stays as it is, so that a repeated run rewrites nothing.
"""

import dataclasses

import polars as pl

from transforms.link import MOVED, UNMATCHED
from transforms.schemas import Table

# Where an input comes from is not what it says.
_PLACE = ("source_id", "position")
_NOT_CONTENT = (*_PLACE, "ingest_run", "run_id", "run_date", "bucket")
# These record the last run, even when nothing else changed.
_LAST_RUN = ("sources", "quarantine")


@dataclasses.dataclass(frozen=True)
class Merged:
    """The bucket's rows after the merge, and what became of the units that were read."""

    rows: pl.DataFrame
    changed: bool
    written: int
    duplicate: int
    deleted: int


def merge(
    stored: pl.DataFrame, new: pl.DataFrame, table: Table, deletions: pl.DataFrame | None = None
) -> Merged:
    """Merges new rows into those of the bucket; both have the table's columns.

    `deletions` has resource_type, resource_id, version_time datetime[us] and in_this_run bool.
    A deletion of this run removes what is stored and what is read, unless that is of a later
    version; one of an earlier run keeps out only what is read and of an older version.

    Units are counted by where they were read: each is written, duplicate (the same as, or older
    than, another one) or deleted.
    """
    key = list(table.key)
    if table.name == "sources":
        # Each part of a file that cannot be read notes it; who could read it knows the hash.
        new = new.sort("content_hash").unique(key, keep="last")
    if "match" in new.columns:
        moved = new.filter(pl.col("match") == MOVED).select(key)
        new = new.filter(pl.col("match").ne_missing(MOVED))
        left = stored.filter(pl.col("match") == UNMATCHED).join(moved, on=key, how="semi")
        kept = stored.join(left.select(key), on=key, how="anti")
    else:
        kept = stored
    read = _units(new, table).with_columns(is_new=pl.lit(value=True))
    alive = read
    if not stored.height and deletions is None and not read.select(key).is_duplicated().any():
        # The first night, and most of every other: nothing to compare with.
        return Merged(new.sort(table.sort), read.height > 0, read.height, 0, 0)
    if deletions is not None and deletions.height:
        of_this_run = deletions.filter("in_this_run")
        dated = deletions.filter(~pl.col("in_this_run") & pl.col("version_time").is_not_null())
        kept = _without(kept, of_this_run, key)
        has_version = pl.col("version_time").is_not_null()
        alive = _without(alive, of_this_run, key)
        alive = pl.concat(
            [_without(alive.filter(has_version), dated, key), alive.filter(~has_version)]
        )
    before = _units(kept.join(alive.select(key), on=key, how="semi", nulls_equal=True), table)
    winners = _newest(pl.concat([before.with_columns(is_new=pl.lit(value=False)), alive]), table)
    winners = winners.filter("is_new")
    if before.height and table.name not in _LAST_RUN:
        winners = winners.join(
            _same(kept, _rows_of(new, winners, table), table), on=key, how="anti", nulls_equal=True
        )
    chosen = new if winners.height == read.height else _rows_of(new, winners, table)
    rest = kept.join(winners.select(key), on=key, how="anti", nulls_equal=True)
    changed = winners.height > 0 or rest.height != stored.height
    return Merged(
        rows=pl.concat([rest, chosen]).sort(table.sort) if changed else stored,
        changed=changed,
        written=winners.height,
        duplicate=alive.height - winners.height,
        deleted=read.height - alive.height,
    )


def _place(rows: pl.DataFrame, table: Table) -> list[str]:
    """The columns that tell the units apart as they were read."""
    return list(dict.fromkeys([*table.key, *(n for n in _PLACE if n in rows.columns)]))


def _units(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """One row for each unit as it was read in one place: key, place and version."""
    place = _place(rows, table)
    version = [n for n in ("version_time", "version_id") if n in rows.columns]
    return rows.select([*place, *version]).unique(place)


def _newest(units: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The unit that wins for each key; of equals the one that was read last, or stands later."""
    order: list[pl.Expr] = []
    if "version_time" in units.columns:
        # Version ids are often numbers in text, and 10 comes after 9.
        number = pl.col("version_id").cast(pl.Int64, strict=False)
        order = [pl.col("version_time"), number, pl.col("version_id")]
    place = [pl.col(name) for name in _place(units, table)]
    # Polars puts nulls first: no version is the oldest.
    ordered = units.sort([*order, pl.col("is_new"), *place])
    return ordered.unique(table.key, keep="last", maintain_order=True)


def _rows_of(rows: pl.DataFrame, units: pl.DataFrame, table: Table) -> pl.DataFrame:
    return rows.join(units, on=_place(rows, table), how="semi", nulls_equal=True)


def _same(stored: pl.DataFrame, new: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The keys whose rows say the same in both, in whatever order."""
    both = [*table.key, "content"]
    return (
        _contents(stored.join(new, on=table.key, how="semi", nulls_equal=True), table)
        .join(_contents(new, table), on=both, how="semi", nulls_equal=True)
        .select(table.key)
    )


def _contents(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Key -> the sorted hashes of its rows, as one number."""
    said = [n for n in rows.columns if n not in _NOT_CONTENT and n not in table.key]
    hashes = rows.select(*table.key, content=pl.struct(said).hash())
    return hashes.group_by(table.key).agg(
        pl.col("content").sort().cast(pl.String).str.join("|").alias("content")
    )


def _without(rows: pl.DataFrame, deletions: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """The rows that were not deleted after their version; an undated deletion is the newest."""
    last = deletions.group_by(key).agg(
        pl.col("version_time").max().alias("deleted_at"),
        pl.col("version_time").is_null().any().alias("undated"),
    )
    newer = (pl.col("version_time") > pl.col("deleted_at")).fill_null(value=False)
    alive = pl.col("undated").is_null() | (~pl.col("undated") & newer)
    return rows.join(last, on=key, how="left").filter(alive).drop("deleted_at", "undated")
