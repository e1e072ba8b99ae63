"""Inpatient stays, the episodes that they form, and whether a discharge was followed by a return.

The rules, after CMS' hospital-wide readmission measure where events can tell:

- A stay is an encounter of class IMP, ACUTE or NONAC, or one whose type says inpatient while its
  class says nothing known.
- Stays of which the next begins before, or within a day after, the end of the last are one
  episode (a transfer). Its discharge is the last one.
- A stay without an end is taken to last a year at most, so that one encounter that was never
  closed does not hold all later ones.
- The next episode decides: begun within 30 days (inclusive) and unplanned is a readmission.
  A planned one is none, and neither is any later one, as it may follow from the plan.
- An admission is planned when its priority is elective, its type or a procedure or diagnosis in
  it says so (PLANNED), or the discharge before it announced it (NUBC 81-95).
- Who dies within the 30 days without a return was not readmitted. Unlike CMS, discharges
  against advice and psychiatric or rehabilitation stays are kept: the disposition is an input.
- Not known (null): fewer than 30 days until the day asked for, a discharge that is no episode's
  last, one to another acute hospital, a death on the day of the discharge.

Source: https://qualitynet.cms.gov/inpatient/measures/readmission/methodology
"""

import datetime

import numpy as np
import polars as pl

from model_defs._code_groups import Patterns, codes_of
from model_defs._history import ENCOUNTER, LAST_PART, History

WINDOW = datetime.timedelta(days=30)
TRANSFER = datetime.timedelta(days=1)
LONGEST_OPEN = datetime.timedelta(days=365)

INPATIENT_CLASSES = ("IMP", "ACUTE", "NONAC")
OTHER_CLASSES = ("AMB", "EMER", "FLD", "HH", "OBSENC", "PRENC", "SS", "VR")
INPATIENT_TYPES: Patterns = codes_of(
    snomed="183452005 32485007 308540004 305408004 305411003 8715000 183495009 56876005"
)
ELECTIVE_PRIORITIES = ("EL", "C", "elective")
PLANNED: Patterns = codes_of(
    # Elective admission, rehabilitation, chemo- and radiotherapy, transplantation, delivery.
    snomed="8715000 183495009 56876005 52052004 367336001 703423002 77465005 70536003 18027006 "
    "32413006 88039007 66348005 177184002 11466000 236974004",
    icd10="Z50 Z51.0 Z51.1 O80-O82 Z37",
    icd9="V57 V58.0 V58.1 V27 650",
    icd10pcs="3E03305 3E04305 02YA 0TY0 0TY1 0FY0 0BYK 0BYL 0BYM 10D 10E",
)
ANNOUNCED_RETURN = tuple(str(code) for code in range(81, 96))
ACUTE_TRANSFER = ("02", "2", "05", "5", "43", "66", "82", "85", "88", "94")
EXPIRED = ("exp", "20", "40", "41", "42")


def find_stays(history: History) -> pl.DataFrame:
    """Inpatient stays with a known start, sorted by subject and start.

    -> `subject_id, encounter_id` int64; `start, end` (null while open) and `reach`, the end as
    later stays see it, UTC; `episode` int64; `episode_start`; `planned` bool; `disposition`.
    """
    encounters = (
        history.frame[history.rows_of_types(("Encounter",))]
        .filter(pl.col("encounter_id").is_not_null())
        .select("subject_id", "encounter_id", "time", "code")
    )
    # The earliest of each: what is added to an encounter later changes no earlier example.
    starts = _earliest(encounters, "ENCOUNTER_START//", "class").rename({"time": "start"})
    ends = _earliest(encounters, "ENCOUNTER_END//", "end_class").rename({"time": "end"})
    left = _earliest(encounters, "DISCHARGE_DISPOSITION//", "disposition").drop("time")
    typed = starts.join(encounters, on=ENCOUNTER).filter(
        pl.col("time") == pl.col("start"), pl.col("code").is_in(INPATIENT_TYPES)
    )
    says_inpatient = typed.select(*ENCOUNTER, pl.lit(value=True).alias("inpatient_type")).unique()
    stays = (
        starts.join(says_inpatient, on=ENCOUNTER, how="left")
        .filter(
            pl.col("class").is_in(INPATIENT_CLASSES)
            | (pl.col("inpatient_type") & ~pl.col("class").is_in(OTHER_CLASSES))
        )
        .join(ends, on=ENCOUNTER, how="left")
        .filter(pl.col("end").is_null() | (pl.col("end") >= pl.col("start")))
        .join(left, on=ENCOUNTER, how="left")
        .drop("class", "end_class", "inpatient_type")
        .join(_planned(history), on=ENCOUNTER, how="left")
        .with_columns(
            pl.col("planned").fill_null(value=False),
            # Beyond this no later stay may depend on an end that lies in its future.
            pl.min_horizontal(pl.col("end"), pl.col("start") + LONGEST_OPEN).alias("reach"),
        )
        .sort("subject_id", "start", "end", "encounter_id", nulls_last=True)
    )
    return stays.with_columns(_episodes()).with_columns(
        pl.col("start").first().over("episode").alias("episode_start")
    )


def _earliest(encounters: pl.DataFrame, prefix: str, name: str) -> pl.DataFrame:
    """`subject_id, encounter_id, time` of the first such event, the last part of it as `name`."""
    return (
        encounters.filter(pl.col("code").str.starts_with(prefix), pl.col("time").is_not_null())
        .sort("time", "code")
        .unique(ENCOUNTER, keep="first", maintain_order=True)
        .with_columns(pl.col("code").str.extract(LAST_PART, 1).alias(name))
        .drop("code")
    )


def _planned(history: History) -> pl.DataFrame:
    """`subject_id, encounter_id, planned` of the encounters that a fact of theirs calls planned."""
    kinds = ("Encounter", "Condition", "Procedure")
    rows = history.rows_of({"planned": PLANNED}, kinds)["planned"]
    priorities = history.rows_coded(
        pl.col("code").str.starts_with("ENCOUNTER_PRIORITY//")
        & pl.col("code").str.extract(LAST_PART, 1).is_in(ELECTIVE_PRIORITIES)
    )
    return (
        history.frame[np.concatenate([rows, priorities])]
        .select(*ENCOUNTER, pl.lit(value=True).alias("planned"))
        .drop_nulls("encounter_id")
        .unique()
    )


def _episodes() -> pl.Expr:
    """Number of the episode of each stay of a frame sorted by subject and start."""
    reached = pl.col("reach").cum_max().shift(1).over("subject_id")
    begins = reached.is_null() | (pl.col("start") - reached > TRANSFER)
    return begins.cum_sum().cast(pl.Int64).alias("episode")


def find_returns(stays: pl.DataFrame) -> pl.DataFrame:
    """Stays -> one row per episode: `subject_id, episode, begin, end, days_to_next,
    returned`: whether the next episode was an unplanned return within 30 days; null: no next.

    `end` is that of the last discharge, null while a stay of the episode is open.
    """
    last = pl.struct(pl.col("end").fill_null(pl.col("reach")), "encounter_id")
    episodes = (
        stays.group_by("subject_id", "episode", maintain_order=True)
        .agg(
            pl.col("start").first().alias("begin"),
            pl.col("reach").max(),
            pl.when(pl.col("end").null_count() == 0).then(pl.col("end").max()).alias("end"),
            pl.col("planned").first(),
            pl.col("disposition").sort_by(last).last(),
            pl.col("encounter_id").sort_by(last).last().alias("last_encounter_id"),
        )
        .sort("subject_id", "begin")
    )
    following = pl.col("begin").shift(-1).over("subject_id")
    planned = pl.col("planned").shift(-1).over("subject_id") | pl.col("disposition").is_in(
        ANNOUNCED_RETURN
    )
    return episodes.with_columns(
        (following - pl.col("end") <= WINDOW).alias("within_window"),
    ).with_columns((pl.col("within_window") & ~planned.fill_null(value=False)).alias("returned"))


def label_returns(
    episodes: pl.DataFrame, deaths: pl.DataFrame, as_of: datetime.datetime
) -> pl.DataFrame:
    """Episodes, deaths (`subject_id, death_time`) -> `subject_id, encounter_id,
    returned` of last discharges.

    `returned` is bool, null by the rules above. A return is not looked for before the window is
    over, else early returns alone would be known and the recent share would be all true.
    """
    dies_that_day = (pl.col("death_time").dt.date() <= pl.col("end").dt.date()).fill_null(
        value=False
    )
    known = (
        pl.col("end").is_not_null()
        & (pl.col("end") + WINDOW < as_of)
        & ~pl.col("disposition").is_in(ACUTE_TRANSFER).fill_null(value=False)
        & ~dies_that_day
    )
    return episodes.join(deaths, on="subject_id", how="left").select(
        "subject_id",
        pl.col("last_encounter_id").alias("encounter_id"),
        pl.when(known).then(pl.col("returned").fill_null(value=False)).alias("returned"),
    )


def find_deaths(history: History) -> pl.DataFrame:
    """`subject_id, death_time` (the earliest one recorded)."""
    return (
        history.frame[history.rows_coded(pl.col("code") == "MEDS_DEATH")]
        .group_by("subject_id")
        .agg(pl.col("time").min().alias("death_time"))
        .drop_nulls()
    )
