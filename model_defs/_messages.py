"""What patients write, what is found soon after, and their vital signs: inputs of `assistant`."""

import datetime

import polars as pl

from model_defs._code_groups import MEASURES, Patterns, codes_of
from model_defs._history import CONDITIONS, OBSERVATIONS, History, Window
from model_defs._stay_features import Column
from model_defs._triage import VITAL_SIGNS

MESSAGES = ("Communication", "QuestionnaireResponse")
SENDER = "SENDER//"
PATIENTS_SIDE = (f"{SENDER}Patient", f"{SENDER}RelatedPerson")
DIAGNOSED_WITHIN = datetime.timedelta(days=14)

# Names as in Symptom2Disease, which the rule's urgencies also use.
CONDITION_CODES: dict[str, Patterns] = {
    "Acne": codes_of(icd10="L70", icd9="706.1", snomed="11381005 88616000"),
    "Arthritis": codes_of(
        icd10="M05 M06 M13 M15-M19", icd9="714-716", snomed="3723001 69896004 396275006"
    ),
    "Bronchial Asthma": codes_of(icd10="J45 J46", icd9="493", snomed="195967001"),
    "Cervical spondylosis": codes_of(
        icd10="M47.12 M47.22 M47.812 M47.892", icd9="721.0 721.1", snomed="387800004"
    ),
    "Chicken pox": codes_of(icd10="B01", icd9="052", snomed="38907003"),
    "Common Cold": codes_of(icd10="J00", icd9="460", snomed="82272006"),
    "Dengue": codes_of(icd10="A90 A91 A97", icd9="061", snomed="38362002"),
    "Dimorphic Hemorrhoids": codes_of(icd10="I84 K64", icd9="455", snomed="70153002"),
    "Fungal infection": codes_of(icd10="B35 B36", icd9="110 111", snomed="3218000"),
    "Hypertension": codes_of(icd10="I10", icd9="401", snomed="38341003 59621000"),
    "Impetigo": codes_of(icd10="L01", icd9="684", snomed="48277006"),
    "Jaundice": codes_of(icd10="R17", icd9="782.4", snomed="18165001"),
    "Malaria": codes_of(icd10="B50-B54", icd9="084", snomed="61462000"),
    "Migraine": codes_of(icd10="G43", icd9="346", snomed="37796009"),
    "Pneumonia": codes_of(icd10="J12-J18", icd9="480-486", snomed="233604007"),
    "Psoriasis": codes_of(icd10="L40", icd9="696.1", snomed="9014002"),
    "Typhoid": codes_of(icd10="A01.0", icd9="002.0", snomed="4834000"),
    "Varicose Veins": codes_of(icd10="I83", icd9="454", snomed="128060009"),
    "allergy": codes_of(icd10="J30 T78.4", icd9="477 995.3", snomed="419199007 61582004"),
    "diabetes": codes_of(icd10="E10-E14", icd9="250", snomed="73211009 44054006 46635009"),
    "drug reaction": codes_of(icd10="L27.0 T88.7", icd9="693.0 995.2", snomed="62014003"),
    "gastroesophageal reflux disease": codes_of(
        icd10="K21", icd9="530.11 530.81", snomed="235595009"
    ),
    "peptic ulcer disease": codes_of(icd10="K25-K28", icd9="531-534", snomed="13200003"),
    "urinary tract infection": codes_of(icd10="N30 N39.0", icd9="595 599.0", snomed="68566005"),
}

_FAHRENHEIT = (5 / 9, -160 / 9)
# What MEASURES does not have: codes, and unit -> factor and offset into the feature's unit.
_FURTHER_SIGNS: dict[str, tuple[str, Patterns, dict[str, tuple[float, float]]]] = {
    "temperature": (
        "Cel",
        codes_of(loinc="8310-5 8331-1 8328-7 8332-9 8333-7"),
        {
            "Cel": (1.0, 0.0),
            "[degF]": _FAHRENHEIT,
            "\u00b0C": (1.0, 0.0),
            "\u00b0F": _FAHRENHEIT,
        },
    ),
    "respiratory_rate": (
        "/min",
        codes_of(loinc="9279-1"),
        {"/min": (1.0, 0.0), "{breaths}/min": (1.0, 0.0), "breaths/minute": (1.0, 0.0)},
    ),
}
_FROM_MEASURES = tuple(name for name in VITAL_SIGNS if name not in _FURTHER_SIGNS)


def find_messages(events: pl.DataFrame, as_of: datetime.datetime) -> pl.DataFrame:
    """Events -> `subject_id, resource_id, prediction_time, text` of what patients wrote, sorted.

    Parts of a message are joined in the order of their codes and texts. Of an answer that is
    coded, a number, a date or an address nothing is taken: it is not in the patient's words.
    """
    code = pl.element()
    foreign = pl.col("codes").list.eval(
        code.str.starts_with(SENDER) & ~code.is_in(list(PATIENTS_SIDE))
    )
    in_words = pl.col("text_value").str.contains(r"\p{L}{2}") & ~pl.col("text_value").str.contains(
        r"(?i)^\s*(?:\w+://|urn:|mailto:|tel:)\S*\s*$"
    )
    own_answer = pl.col("numeric_value").is_null() & (pl.col("codes").list.len().fill_null(0) == 0)
    return (
        events.filter(
            pl.col("resource_type").is_in(MESSAGES),
            pl.col("time") < as_of,
            in_words,
            own_answer | (pl.col("resource_type") == "Communication"),
            ~foreign.list.any().fill_null(value=False),
        )
        .unique(["subject_id", "resource_id", "time", "code", "text_value"])
        .sort("subject_id", "time", "resource_id", "code", "text_value")
        .group_by("subject_id", "resource_id", maintain_order=True)
        .agg(
            (pl.col("time").max() + datetime.timedelta(microseconds=1)).alias("prediction_time"),
            pl.col("text_value").str.strip_chars().str.join("\n").alias("text"),
        )
        .sort("subject_id", "prediction_time", "resource_id")
    )


def diagnosed_after(history: History, keys: pl.DataFrame) -> pl.Series:
    """Keys of messages, sorted by subject and time -> the condition of CONDITION_CODES that is
    recorded first after the message, within DIAGNOSED_WITHIN; null for none.
    """
    found = pl.concat(
        history.frame[rows].select("subject_id", "time", pl.lit(name).alias("condition"))
        for name, rows in history.rows_of(CONDITION_CODES, CONDITIONS).items()
    )
    firsts = found.drop_nulls("time").sort("time", "subject_id", "condition")
    firsts = firsts.unique(["subject_id", "time"], keep="first", maintain_order=True)
    return (
        keys.with_row_index("row")
        .sort("prediction_time")
        .join_asof(
            firsts,
            left_on="prediction_time",
            right_on="time",
            by="subject_id",
            strategy="forward",
            tolerance=DIAGNOSED_WITHIN,
            check_sortedness=False,
        )
        .sort("row")["condition"]
    )


def unit_of(vital_sign: str) -> str:
    """UCUM unit of a vital sign.

    >>> unit_of("temperature")
    'Cel'
    """
    own = _FURTHER_SIGNS.get(vital_sign)
    return own[0] if own else MEASURES[vital_sign][0]


def latest_vital_signs(history: History, window: Window) -> dict[str, Column]:
    """Last value of each of VITAL_SIGNS in each range, in its unit; null or NaN for none."""
    return {
        **history.latest_measures(_FROM_MEASURES, window),
        **_latest_further_signs(history, window),
    }


def _latest_further_signs(history: History, window: Window) -> dict[str, Column]:
    """Last value of each in the unit of the feature; in a unit that is not known: passed over."""
    patterns = {name: codes for name, (_, codes, _) in _FURTHER_SIGNS.items()}
    found: dict[str, Column] = {}
    for name, rows in history.rows_of(patterns, OBSERVATIONS, own_system="LOINC").items():
        unit, _, units = _FURTHER_SIGNS[name]
        as_sent = history.frame["unit"][rows].fill_null(unit)
        factor, offset = (
            as_sent.replace_strict(
                {u: both[part] for u, both in units.items()}, default=None, return_dtype=pl.Float64
            )
            for part in (0, 1)
        )
        values = history.frame["numeric_value"][rows] * factor + offset
        known = values.is_not_null().to_numpy()
        position = pl.Series(window.last_position(rows[known]))
        found[name] = values.drop_nulls().gather(position.set(position < 0, None))
    return found
