"""What is known about a stay on the day of its discharge: the inputs of `readmission`."""

import datetime
from typing import Any

import numpy as np
import polars as pl

from model_defs._code_groups import (
    CHARLSON,
    CHARLSON_WEIGHTS,
    DIAGNOSIS_GROUPS,
    DRUGS,
    OTHER_CONDITIONS,
    Patterns,
    match_codes,
)
from model_defs._history import (
    ALWAYS,
    CONDITION_END,
    CONDITIONS,
    DAY_US,
    ENCOUNTER,
    LAST_PART,
    MEDICATIONS,
    OBSERVATIONS,
    PROCEDURES,
    History,
    Ints,
    Window,
    find_rows,
)

CONDITION_GROUPS: dict[str, Patterns] = {
    **CHARLSON,
    **{
        name: OTHER_CONDITIONS[name]
        for name in ("hypertension", "depression", "psychosis", "substance_use", "obesity")
    },
}
DRUG_GROUPS: dict[str, Patterns] = {
    name: DRUGS[name]
    for name in (
        "insulin",
        "oral_antidiabetic",
        "anticoagulant",
        "antiplatelet",
        "digoxin",
        "diuretic",
        "beta_blocker",
        "renin_angiotensin",
        "statin",
        "steroid",
        "opioid",
        "antipsychotic",
    )
}
LATEST = (
    "sodium",
    "potassium",
    "creatinine",
    "urea_nitrogen",
    "egfr",
    "glucose",
    "hba1c",
    "albumin",
    "hemoglobin",
    "leukocytes",
    "platelets",
    "natriuretic_peptide",
    "systolic_pressure",
    "heart_rate",
    "oxygen_saturation",
    "body_mass_index",
)
VISIT_WINDOWS_DAYS = (30, 90, 365)
EMERGENCY = ("ENCOUNTER_START//EMER",)
OUTPATIENT = tuple(f"ENCOUNTER_START//{code}" for code in ("AMB", "FLD", "HH", "SS", "VR"))

# NUBC patient discharge status (81-95: the same with a planned return) and HL7's codes.
# https://terminology.hl7.org/CodeSystem-discharge-disposition.html
DISPOSITIONS: dict[str, tuple[str, ...]] = {
    "home": ("home", "alt-home", "01", "1", "81"),
    "home_health": ("06", "6", "08", "8", "86"),
    "nursing": ("snf", "03", "3", "04", "4", "61", "64", "83", "84", "89", "92"),
    "rehabilitation": ("rehab", "62", "90"),
    "long_term": ("long", "63", "91"),
    "hospice": ("hosp", "50", "51"),
    "acute_hospital": ("02", "2", "05", "5", "43", "66", "82", "85", "88", "94"),
    "psychiatric": ("psy", "65", "93"),
    "against_advice": ("aadvice", "07", "7"),
    "other": ("other-hcf", "oth", "21", "70", "87", "95"),
}
# https://terminology.hl7.org/CodeSystem-admit-source.html and HL7 v2 table 0023.
ADMISSION_SOURCES: dict[str, tuple[str, ...]] = {
    "emergency": ("emd", "7"),
    "referral": ("gp", "mp", "outp", "1", "2", "3"),
    "transfer": ("hosp-trans", "psych", "rehab", "4", "6"),
    "nursing": ("nursing", "5"),
    "birth": ("born",),
    "other": ("other", "8"),
}
# https://terminology.hl7.org/CodeSystem-v3-ActPriority.html and HL7 v2 table 0007.
ADMISSION_TYPES: dict[str, tuple[str, ...]] = {
    "emergency": ("EM", "E", "S", "CR"),
    "urgent": ("UR", "U", "A", "T"),
    "elective": ("EL", "C"),
    "routine": ("R",),
    "newborn": ("N",),
}
_CATEGORIES = {
    "DISCHARGE_DISPOSITION//": ("discharge_disposition", DISPOSITIONS),
    "ADMIT_SOURCE//": ("admission_source", ADMISSION_SOURCES),
    "ENCOUNTER_PRIORITY//": ("admission_type", ADMISSION_TYPES),
}
_CATEGORY = r"^(ICD10\w*//\w{3}|ICD9\w*//(?:E\d{3}|V\d{2}|\d{3})).*$"
_MARKS = r"^(ENCOUNTER_|DISCHARGE_|ADMIT_|SERVICE_)"


Column = np.ndarray[tuple[int], np.dtype[Any]] | pl.Series


def describe_stays(
    history: History, index: pl.DataFrame, episodes: pl.DataFrame
) -> dict[str, Column]:
    """History, index discharges (`subject_id, encounter_id, prediction_time, episode_start`) and
    all episodes of find_returns -> columns of features, one entry per row of `index`.
    """
    subject = index["subject_id"].to_numpy()
    now = index["prediction_time"].to_physical().to_numpy()
    admitted = index["episode_start"].to_physical().to_numpy()
    past = history.before(subject, now)
    year = history.before(subject, now, 365)
    stay = history.between(subject, admitted, now)
    return {
        **describe_subjects(history, subject, now),
        "race": last_suffix(history, "RACE//", past),
        "length_of_stay_days": (now - 1 - admitted) / DAY_US,
        **_count_earlier_stays(episodes, subject, admitted),
        **_count_visits(history, subject, admitted),
        **_flag_conditions(history, past),
        "conditions_distinct": past.count(history.first_rows(CONDITIONS)),
        "lab_results_stay": stay.count(numeric_rows(history)),
        "procedures_stay": stay.count(history.rows_of_types(PROCEDURES)),
        "medications_365d": year.count(history.rows_of_types(MEDICATIONS)),
        **{
            f"drug_{name}": year.count(rows) > 0
            for name, rows in history.rows_of(DRUG_GROUPS, MEDICATIONS).items()
        },
        **history.latest_measures(LATEST, year),
        **_describe_encounters(history, index),
    }


def describe_subjects(history: History, subject: Ints, now: Ints) -> dict[str, Column]:
    """Subjects and times (UTC microseconds) -> `age_years` and `sex`."""
    past = history.before(subject, now)
    births = history.rows_coded(pl.col("code") == "MEDS_BIRTH")
    births = births[history.time_us[births] > ALWAYS]
    born = pl.Series(past.last(births))
    birth_us = history.frame["time"].to_physical().gather(born.set(born < 0, None))
    return {
        "age_years": (pl.Series(now) - birth_us) / (365.25 * DAY_US),
        "sex": last_suffix(history, "SEX//", past),
    }


def numeric_rows(history: History) -> Ints:
    """Rows of observations that have a number."""
    rows = history.rows_of_types(OBSERVATIONS)
    return rows[history.frame["numeric_value"].is_not_null().to_numpy()[rows]]


def last_suffix(history: History, prefix: str, window: Window) -> pl.Series:
    """What follows the prefix in the last code that has it in each range, else null."""
    rows = history.rows_coded(pl.col("code").str.starts_with(prefix))
    last = pl.Series(window.last(rows))
    return history.frame["code"].gather(last.set(last < 0, None)).str.strip_prefix(prefix)


def _count_earlier_stays(
    episodes: pl.DataFrame, subject: Ints, admitted: Ints
) -> dict[str, Column]:
    """Earlier episodes by the end, and earlier returns by the begin, in days before admission."""
    owner = episodes["subject_id"].to_numpy()
    ends = episodes["reach"].to_physical().to_numpy()
    begins = episodes["begin"].to_physical().to_numpy()
    ever = np.full_like(admitted, ALWAYS)
    gap = begins[1:] - ends[:-1]
    returned = np.zeros(len(owner), dtype=bool)
    returned[1:] = (owner[1:] == owner[:-1]) & (gap <= 30 * DAY_US)
    ended = find_rows(owner, ends, subject, admitted)
    first = find_rows(owner, ends, subject, ever)
    previous_end = ends[np.maximum(ended - 1, 0)]
    back = owner[returned], begins[returned]
    year_earlier = admitted - 365 * DAY_US
    return {
        "inpatient_stays_ever": ended - first,
        # This admission may be one of them: it is known at its discharge.
        "returns_ever": find_rows(*back, subject, admitted + 1) - find_rows(*back, subject, ever),
        **{
            f"inpatient_stays_{days}d": ended
            - find_rows(owner, ends, subject, admitted - days * DAY_US)
            for days in VISIT_WINDOWS_DAYS
        },
        "returns_365d": find_rows(*back, subject, admitted)
        - find_rows(*back, subject, year_earlier),
        "days_since_last_discharge": np.where(
            ended > first, (admitted - previous_end) / DAY_US, np.nan
        ),
    }


def _count_visits(history: History, subject: Ints, admitted: Ints) -> dict[str, Column]:
    emergency = history.rows_coded(pl.col("code").is_in(EMERGENCY))
    outpatient = history.rows_coded(pl.col("code").is_in(OUTPATIENT))
    earlier = {days: history.before(subject, admitted, days) for days in VISIT_WINDOWS_DAYS}
    at_admission = history.between(subject, admitted - DAY_US, admitted + 1)
    return {
        **{f"emergency_visits_{days}d": earlier[days].count(emergency) for days in earlier},
        "outpatient_visits_365d": earlier[365].count(outpatient),
        "admitted_through_emergency": at_admission.count(emergency) > 0,
    }


def _flag_conditions(history: History, past: Window) -> dict[str, Column]:
    flags = {
        name: past.count(rows) > 0
        for name, rows in history.rows_of(CONDITION_GROUPS, CONDITIONS).items()
    }
    index = np.zeros(len(past.low))
    for name, weight in CHARLSON_WEIGHTS.items():
        index += weight * flags[name]
    return {
        **{f"condition_{name}": flag for name, flag in flags.items()},
        "charlson_index": index,
    }


def _describe_encounters(history: History, index: pl.DataFrame) -> dict[str, Column]:
    """Facts that name the encounter itself, known before the time of prediction."""
    conditions = _facts_of(history, index, CONDITIONS).filter(
        ~pl.col("code").str.starts_with(CONDITION_END)
    )
    drugs = _facts_of(history, index, MEDICATIONS)
    encounters = _facts_of(history, index, ("Encounter",))
    code = pl.col("code")
    described = encounters.group_by(ENCOUNTER).agg(
        code.filter(~code.str.contains(_MARKS)).first().alias("encounter_type"),
        _first_suffix("SERVICE_TYPE//").alias("service_type"),
        _first_suffix("ENCOUNTER_REASON//").alias("reason"),
        _first_suffix("DISCHARGE_DISPOSITION//")
        .str.extract(LAST_PART, 1)
        .alias("discharge_status"),
        *[
            _first_suffix(prefix)
            .str.extract(LAST_PART, 1)
            .replace_strict(
                {member: group for group, members in groups.items() for member in members},
                default=pl.when(_first_suffix(prefix).is_not_null()).then(pl.lit("other")),
                return_dtype=pl.String,
            )
            .alias(name)
            for prefix, (name, groups) in _CATEGORIES.items()
        ],
    )
    described = described.join(
        conditions.group_by(ENCOUNTER).agg(
            pl.col("code_index").n_unique().alias("diagnoses_stay"), code.first()
        ),
        on=ENCOUNTER,
        how="left",
    ).join(
        drugs.group_by(ENCOUNTER).agg(pl.col("code_index").n_unique().alias("medications_stay")),
        on=ENCOUNTER,
        how="left",
    )
    described = described.with_columns(
        pl.coalesce("reason", "code").alias("diagnosis"),
        pl.col("diagnoses_stay", "medications_stay").fill_null(0),
    ).drop("reason", "code")
    described = described.join(
        group_diagnoses(described["diagnosis"]), left_on="diagnosis", right_on="code", how="left"
    )
    of_index = index.select(ENCOUNTER).join(
        described, on=ENCOUNTER, how="left", maintain_order="left"
    )
    return {column.name: column for column in of_index.get_columns()[len(ENCOUNTER) :]}


def _facts_of(
    history: History, index: pl.DataFrame, resource_types: tuple[str, ...]
) -> pl.DataFrame:
    """Rows of these types that belong to an encounter of `index`, by time, strictly before its
    `prediction_time`: ENCOUNTER, `code, code_index`.
    """
    return (
        history.frame[history.rows_of_types(resource_types)]
        .select(*ENCOUNTER, "time", "code", "code_index")
        .join(
            index.select(*ENCOUNTER, "prediction_time"),
            on=ENCOUNTER,
            maintain_order="left",
        )
        .filter(pl.col("time").is_null() | (pl.col("time") < pl.col("prediction_time")))
    )


def _first_suffix(prefix: str) -> pl.Expr:
    code = pl.col("code")
    return code.filter(code.str.starts_with(prefix)).first().str.strip_prefix(prefix)


def group_diagnoses(codes: pl.Series) -> pl.DataFrame:
    """Codes of diagnoses -> `code, primary_diagnosis_group, primary_diagnosis`.

    The group is that of DIAGNOSIS_GROUPS, `other` for none; the diagnosis the ICD category (three
    characters), or the whole code of another system.

    >>> group_diagnoses(pl.Series(["ICD10CM//I50.9"])).row(0)[1:]
    ('circulatory', 'ICD10CM//I50')
    """
    distinct = codes.drop_nulls().unique()
    nearest = (
        match_codes(distinct, DIAGNOSIS_GROUPS)
        .sort("length", "group")
        .unique("code", keep="last", maintain_order=True)
    )
    return (
        pl.DataFrame({"code": distinct}, schema={"code": pl.String})
        .join(nearest, on="code", how="left")
        .select(
            "code",
            pl.col("group").fill_null("other").alias("primary_diagnosis_group"),
            pl.col("code").str.replace(_CATEGORY, "${1}").alias("primary_diagnosis"),
        )
    )


def prediction_times(ends: pl.Expr) -> pl.Expr:
    """End of a stay -> the first moment at which all that is dated to the end has been known."""
    return ends + datetime.timedelta(microseconds=1)
