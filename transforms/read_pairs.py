"""Files of compound-target pairs -> rows of `pairs`.

A Parquet or CSV file with the columns

- `compound`, `target`: their names, required;
- `smiles`, `sequence`: the structure of the compound and the amino acids of the target; where a
  file lacks them, or a cell is empty, they are those of `molecules` under these names;
- `affinity`: pKd, the label, empty where it is not known;
- `time`: when the affinity was known, a date or a time, UTC;
- `split`: train, tuning or held_out, for trainings that must be comparable.

A row that cannot be used is quarantined, not the file. The same pair again replaces the row.
"""

from collections.abc import Callable, Iterator

import apache_beam as beam
import polars as pl

from transforms.batches import Keyed
from transforms.keyed_rows import REFUSED, SKIPPED, first_reason, keyed_rows
from transforms.keys import Keys
from transforms.molecules import check_sequence, check_smiles
from transforms.splits import SPLITS
from transforms.table_files import TableFile


def check_pair_file(uri: str) -> None:
    """Raises: UsageError, naming the column, when one is missing or of a type that cannot be."""
    _columns(_open(uri))


def read_pair_rows(file: TableFile, keys: Keys) -> pl.DataFrame:
    """One file -> its rows, as `keyed_rows` takes them.

    Raises: UsageError, as `check_pair_file`.
    """
    frame = _columns(file)
    frame = frame.with_columns(
        why_smiles=_reasons(frame["smiles"], check_smiles),
        why_sequence=_reasons(frame["sequence"], check_sequence),
    )
    unknown_split = pl.col("split").is_not_null() & ~pl.col("split").is_in(SPLITS)
    refused = pl.coalesce(
        first_reason(
            (pl.col("compound").is_null(), "compound is empty"),
            (pl.col("target").is_null(), "target is empty"),
            (_lost(file, "affinity"), "affinity is no finite number"),
            (_lost(file, "time"), "time is no date and no time"),
            (unknown_split, f"split is none of {', '.join(SPLITS)}"),
        ),
        pl.format("smiles: {}", "why_smiles"),
        pl.format("sequence: {}", "why_sequence"),
    )
    pair_ids = [
        keys.pair_id(compound or "", target or "")
        for compound, target in frame.select("compound", "target").iter_rows()
    ]
    return frame.select(
        pl.Series("pair_id", pair_ids, pl.Int64),
        "compound",
        "target",
        "smiles",
        "sequence",
        "affinity",
        "time",
        "split",
        refused.alias(REFUSED),
        pl.lit(None, pl.String).alias(SKIPPED),
    )


def keyed_pairs(uri: str, keys: Keys, buckets: int) -> Iterator[Keyed | beam.pvalue.TaggedOutput]:
    """One file -> shuffled elements of `pairs`, `quarantine` and `sources`, and counts."""
    file = _open(uri)
    yield from keyed_rows("pairs", file, read_pair_rows(file, keys), keys, buckets)


def _open(uri: str) -> TableFile:
    return TableFile("--pairs", uri, ["compound", "target"])


def _columns(file: TableFile) -> pl.DataFrame:
    texts = ("compound", "target", "smiles", "sequence", "split")
    return pl.DataFrame(
        {
            **{name: file.text(name) for name in texts},
            "affinity": file.number("affinity"),
            "time": file.time("time"),
        }
    )


def _lost(file: TableFile, name: str) -> pl.Expr:
    """Whether something stood in the cell and could not be read."""
    return pl.col(name).is_null() & pl.lit(file.given(name))


def _reasons(texts: pl.Series, check: Callable[[str], str | None]) -> pl.Series:
    """Texts -> why each cannot be used, or null; a text that stands in many rows is checked once.

    The reasons hold no values.
    """
    found = {text: check(text) for text in texts.unique().to_list() if text is not None}
    return texts.replace_strict(
        list(found), list(found.values()), default=None, return_dtype=pl.String
    )
