"""Rows of a table brought along: each shuffled, refused or left out, and counted once."""

import json

import polars as pl
from apache_beam.pvalue import TaggedOutput

from transforms.batches import from_ipc, shuffle_schema
from transforms.counts import Count
from transforms.keyed_rows import first_reason, keyed_rows
from transforms.table_files import TableFile

BUCKETS = 4


def counts(tmp_path, keys, *fates):
    """(cases, refused, skipped) each -> what `keyed_rows` gives, and the file."""
    path = tmp_path / "ili.csv"
    path.write_text("region,cases\n" + "".join(f"r{n},{c}\n" for n, (c, *_) in enumerate(fates)))
    frame = pl.DataFrame(
        {
            "region_id": range(10, 10 + len(fates)),
            "series": "ili",
            "region": [f"r{n}" for n in range(len(fates))],
            "week": [None] * len(fates),
            "cases": [cases for cases, *_ in fates],
            "known": [None] * len(fates),
            "refused": [refused for _, refused, _ in fates],
            "skipped": [skipped for *_, skipped in fates],
        },
        schema_overrides={
            **{"week": pl.Date, "known": pl.Datetime("us"), "cases": pl.Float32},
            **{"refused": pl.String, "skipped": pl.String},
        },
    )
    file = TableFile("--counts", str(path), [])
    return list(keyed_rows("counts", file, frame, keys, BUCKETS)), file


def rows_of(found, table):
    """(bucket, row) of the shuffled elements of one table."""
    return [
        (bucket, row)
        for (name, bucket), data in (x for x in found if not isinstance(x, TaggedOutput))
        if name == table
        for row in from_ipc([data], shuffle_schema(table)).to_pylist()
    ]


def test_every_row_has_one_fate(tmp_path, keys):
    found, file = counts(
        tmp_path,
        keys,
        (1.0, None, None),
        (2.0, "cases is bad", None),
        (3.0, "cases is bad", "left out"),
        (4.0, None, "left out"),
        (5.0, None, None),
    )
    source = keys.source_id(file.uri)
    written = rows_of(found, "counts")
    assert [(b, r["region_id"], r["cases"], r["position"]) for b, r in written] == [
        (10 % BUCKETS, 10, 1.0, 0),
        (14 % BUCKETS, 14, 5.0, 4),
    ]
    assert {r["source_id"] for _, r in written} == {source}
    refused = [row for _, row in rows_of(found, "quarantine")]
    assert [(r["position"], r["message"], json.loads(r["raw"])) for r in refused] == [
        (1, "cases is bad", {"region": "r1", "cases": "2.0"}),
        (2, "cases is bad", {"region": "r2", "cases": "3.0"}),
    ]
    assert {(r["source_id"], r["stage"], r["error_class"]) for r in refused} == {
        (source, "read_counts", "InputError")
    }
    ((_, row),) = rows_of(found, "sources")
    assert (row["uri"], row["kind"], row["size_bytes"]) == (file.uri, "counts", file.size_bytes)
    told = dict(item.value for item in found if isinstance(item, TaggedOutput))
    assert told == {
        Count("read_counts", "read"): 5,
        Count("read_counts", "quarantined"): 2,
        Count("read_counts", "skipped", "left out"): 1,
    }


def test_a_file_without_rows_is_a_source_all_the_same(tmp_path, keys):
    found, _ = counts(tmp_path, keys)
    assert rows_of(found, "counts") == rows_of(found, "quarantine") == []
    assert len(rows_of(found, "sources")) == 1
    told = dict(item.value for item in found if isinstance(item, TaggedOutput))
    assert told[Count("read_counts", "read")] == 0


def test_the_first_reason_counts():
    frame = pl.DataFrame({"x": [None, -1, 1]})
    reason = first_reason((pl.col("x").is_null(), "empty"), (pl.col("x") < 0, "negative"))
    assert frame.select(reason).to_series().to_list() == ["empty", "negative", None]
