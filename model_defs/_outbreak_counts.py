"""Weekly counts of a bucket: those that files brought along, and those made of its events.

Counted in events are patients, each once a week and syndrome, in the state and in the three-digit
zip that they live in now. A week in which a visit of a patient of the region began counts as
seen, with 0 cases where there were none; a week without any is missing, as it is in a file.

Source: https://www.cdc.gov/nssp/php/onboarding-toolkits/ (diagnoses of influenza, COVID-19, RSV)
"""

import datetime
import hashlib

import polars as pl

from model_defs._code_groups import Patterns, codes_of, match_codes
from model_defs._history import CONDITION_END, CONDITIONS
from transforms import schemas
from transforms.bucket_tables import empty

SYNDROMES: dict[str, Patterns] = {
    "influenza": codes_of(
        icd10="J09-J11", icd9="487 488", snomed="6142004 95891005 442696006 408687004"
    ),
    "covid-19": codes_of(icd10="U07.1", snomed="840539006 1119302008"),
    "rsv": codes_of(icd10="J12.1 J20.5 J21.0 B97.4", icd9="079.6 466.11 480.1", snomed="55735004"),
}
REGIONS = ("STATE//", "ZIP3//")
VISIT = "ENCOUNTER_START//"
WEEK = datetime.timedelta(days=7)
MOMENT = datetime.timedelta(microseconds=1)


def count_events(events: pl.DataFrame, as_of: datetime.datetime) -> pl.DataFrame:
    """Rows of schemas.EVENTS -> rows of schemas.COUNTS, known at the end of their week.

    Weeks that are not over before `as_of` are left out. Counts of several buckets add up.
    """
    timed = events.filter(pl.col("time") < as_of).with_columns(
        pl.col("time").dt.date().dt.truncate("1w").alias("week")
    )
    homes = (
        events.filter(
            pl.col("time").is_null(),
            pl.any_horizontal(pl.col("code").str.starts_with(prefix) for prefix in REGIONS),
        )
        .select("subject_id", pl.col("code").alias("region"))
        .unique()
    )
    seen = timed.filter(pl.col("code").str.starts_with(VISIT)).select("subject_id", "week")
    empty_weeks = (
        seen.unique()
        .join(homes, on="subject_id")
        .select("region", "week")
        .unique()
        .join(pl.DataFrame({"series": list(SYNDROMES)}), how="cross")
        .with_columns(cases=pl.lit(0.0))
    )
    cases = (
        _diagnosed(timed)
        .join(homes, on="subject_id")
        .select("region", "week", "series", cases=pl.lit(1.0))
    )
    counted = (
        pl.concat([empty_weeks, cases])
        .group_by("series", "region", "week")
        .agg(pl.col("cases").sum().cast(pl.Float32))
        .with_columns(known=pl.col("week").cast(pl.Datetime("us")) + WEEK - MOMENT)
        .filter(pl.col("known") < as_of)
    )
    names = counted.select("series", "region").unique()
    ids = [region_id(*pair) for pair in names.iter_rows()]
    counted = counted.join(
        names.with_columns(pl.Series("region_id", ids, pl.Int64)), on=["series", "region"]
    )
    rows = pl.concat([empty(schemas.COUNTS), counted], how="diagonal")
    return rows.with_columns(pl.col("bucket").fill_null(0))


def _diagnosed(timed: pl.DataFrame) -> pl.DataFrame:
    """Events with their week -> `subject_id, week, series`, each once."""
    begins = ~pl.col("code").str.starts_with(CONDITION_END)
    coded = timed.filter(pl.col("resource_type").is_in(CONDITIONS), begins).select(
        "subject_id", "week", pl.concat_list("code", pl.col("codes").fill_null([])).alias("code")
    )
    coded = coded.explode("code")
    groups = match_codes(coded["code"].unique(), SYNDROMES)
    return (
        coded.join(groups, on="code")
        .select("subject_id", "week", pl.col("group").alias("series"))
        .unique()
    )


def region_id(series: str, region: str) -> int:
    """63 bits of SHA-256: regions made of events hide no identity, so their id needs no key.

    >>> region_id("influenza", "STATE//MA") == region_id("influenza", "STATE//ME")
    False
    """
    text = f"region/{len(series)}/{series}/{region}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
