"""Which of several treatments, or which dose of one, works best, from genes, life style, history.

Whom and when: one example per patient who has a genotype, a treatment under comparison or a
label. A label states its own prediction time. Else it is the first moment of any compared
treatment, read strictly before it, so that no course is seen before it is chosen; for those not
treated yet it is the day asked for.
Compared by default: the P2Y12 inhibitors clopidogrel, prasugrel, ticagrelor, whose effect
depends on CYP2C19.
Label: `categorical_value` of `tables.labels`; else, by `Config.derive`, the treatment that
worked: the first course that went 90 days without a change to another compared treatment,
without a failure later than a day after its start (FAILURES) and without death. Null while no
course has done so before the day asked for. A site that compares something else by labels of its
own sets `derive` to false, as classes of two questions must not mix.
With `Config.dose_cuts` the label is a weekly dose in mg, `float_value` of `tables.labels`, and
no course counts: the score is the dose, the label its class between the cuts. For warfarin.
How: random forest. Of a dose it learns the square root, after a linear equation on the same
columns; drivers are in that root then, else in the likeliest treatment's probability.

References: Lee et al. 2022 (CPIC, CYP2C19 and clopidogrel), https://doi.org/10.1002/cpt.2526;
IWPC 2009 (warfarin), https://doi.org/10.1056/NEJMoa0809329.
Intended use: a second opinion for the prescriber. Not for: starting or stopping a drug, or
changing a dose, without one. Not a medical device. Courses are observed, not randomised: who got
what was chosen, and the forest learns that too. A dose is what was given in the end, which is
not proof that it was the best.
"""

import dataclasses
import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from model_defs._code_groups import CHARLSON, DRUGS, MEASURES, OTHER_CONDITIONS, Patterns, codes_of
from model_defs._doses import PENALTY, UNIT, predict_doses, read_cuts
from model_defs._fields import category, quantity
from model_defs._history import CONDITIONS, MEDICATIONS, History
from model_defs._life_style import last_alcohol, last_smoking_status
from model_defs._pharmacogenes import GENES, SITES, describe_genes, find_results
from model_defs._stay_features import Column, describe_subjects, last_suffix
from model_defs._stays import find_deaths
from transforms.bucket_tables import Tables
from transforms.prediction_rows import Outputs, Predictions

if TYPE_CHECKING:
    import tensorflow as tf
    import ydf

ENTITY = "patient"
FOLLOWED = datetime.timedelta(days=90)
SETTLING = datetime.timedelta(days=1)
MISSING_Z = -10.0
MIN_FREQUENCY = 5
_TIME = "prediction_time"

TREATMENTS: dict[str, Patterns] = {
    "clopidogrel": codes_of(atc="B01AC04", rxnorm="32968 309362 749196"),
    "prasugrel": codes_of(atc="B01AC22", rxnorm="613391 855812 855818"),
    "ticagrelor": codes_of(atc="B01AC24", rxnorm="1116632 1116635 1666332"),
}
FAILURES: dict[str, Patterns] = {
    # Infarction, ischaemic stroke, stent thrombosis; intracranial and gastrointestinal bleeding.
    "failure": codes_of(
        icd10="I21 I22 I63 T82.86 I60-I62 K92.0-K92.2",
        icd9="410 434 996.72 430-432 578",
        snomed="22298006 401303003 401314000 230690007 74474003",
    )
}
CONDITION_GROUPS: dict[str, Patterns] = {
    **{
        name: CHARLSON[name]
        for name in (
            "myocardial_infarction",
            "heart_failure",
            "cerebrovascular",
            "diabetes",
            "diabetes_complicated",
            "renal",
            "mild_liver",
            "severe_liver",
            "cancer",
        )
    },
    **{
        name: OTHER_CONDITIONS[name]
        for name in (
            "hypertension",
            "atrial_fibrillation",
            "venous_thromboembolism",
            "valve_replacement",
            "depression",
        )
    },
}
DRUG_GROUPS: dict[str, Patterns] = {
    name: DRUGS[name]
    for name in (
        "amiodarone",
        "rifampin",
        "carbamazepine",
        "phenytoin",
        "azole_antifungal",
        "sulfonamide",
        "macrolide",
        "statin",
        "proton_pump_inhibitor",
        "anticoagulant",
        "antiplatelet",
        "acetaminophen",
    )
}
DRUG_GROUPS["enzyme_inducer"] = tuple(
    code for name in ("rifampin", "carbamazepine", "phenytoin") for code in DRUGS[name]
)
LATEST = (
    "weight",
    "height",
    "body_mass_index",
    "creatinine",
    "egfr",
    "hemoglobin",
    "platelets",
    "inr",
)


_NUMBERS = [
    quantity("age_years", "a", "age at the prediction"),
    *[quantity(name, MEASURES[name][0], "last value ever") for name in LATEST],
    quantity("body_surface", "m2", "of the last weight and height, by Mosteller"),
    quantity("alcohol_per_day", "{drinks}/d", "last answer"),
    *[
        quantity(f"function_{gene.lower()}", "0 to 4", "metabolic function, poor to ultrarapid")
        for gene in GENES
    ],
    quantity("conditions_distinct", "1", "distinct codes of conditions ever recorded"),
    quantity("medications_distinct", "1", "distinct drugs ever recorded"),
]
_FLAGS = [
    *[quantity(f"condition_{name}", "0 or 1", "ever recorded before") for name in CONDITION_GROUPS],
    *[quantity(f"drug_{name}", "0 or 1", "in the last 365 days") for name in DRUG_GROUPS],
]
_CATEGORIES = [
    category("sex", "administrative gender"),
    category("race", "code of the OMB category"),
    category("ethnicity", "code of the OMB category"),
    category("smoking_status", "never, former, current, or not current"),
    *[category(f"genotype_{gene.lower()}", "its two alleles, in order") for gene in GENES],
    *[category(f"genotype_{site}", "of this site of VKORC1, as measured") for site in SITES],
]
FEATURES = pa.schema([*_NUMBERS, *_FLAGS, *_CATEGORIES])


@dataclasses.dataclass(frozen=True)
class Config:
    """How the forest grows, and what it learns.

    `dose_cuts` such as 21 and 49 (mg/week): a weekly dose, with classes between the cuts. Else a
    treatment, by given labels and, with `derive`, by courses.
    """

    seed: int = 0
    trees: int = 300
    max_depth: int = 16
    min_examples: int = 5
    derive: bool = True
    dose_cuts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.trees < 1:
            raise ValueError(f"trees must be at least 1, not {self.trees}")
        read_cuts(self.dose_cuts)


DEFAULT = Config()
_BEST = pa.field(
    "best_treatment",
    pa.string(),
    metadata={"unit": "", "meaning": "the treatment that worked"},
)
_DOSE = pa.field(
    "dose", pa.float32(), metadata={"unit": UNIT, "meaning": "the weekly dose that worked"}
)


def LABEL(config: Config = DEFAULT) -> pa.Field:  # noqa: N802 - the contract's name
    """The best treatment, a class; or its weekly dose."""
    return _DOSE if config.dose_cuts else _BEST


def examples(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> pl.DataFrame:
    """Patients of one bucket: keys, prediction_time <= `as_of`, FEATURES, LABEL."""
    history = History.of(tables.events, as_of)
    results = find_results(history)
    given = _given_labels(tables, as_of, config)
    if config.dose_cuts:
        index = _choose_times([given, _typed(history, results, as_of)])
        label = index.select(pl.col("given").cast(pl.Float32).alias(_DOSE.name))
    else:
        courses = find_courses(history)
        treated = courses.group_by("subject_id").agg(pl.col("start").min().alias(_TIME))
        index = _choose_times([given, treated, _typed(history, results, as_of)])
        worked = treatments_that_worked(courses, history, as_of)
        index = index.join(worked, on="subject_id", how="left", maintain_order="left")
        label = index.select(
            pl.coalesce("given", *["worked"] * config.derive).cast(pl.String).alias(_BEST.name)
        )
    features = pl.DataFrame(_describe_patients(history, results, index)).select(
        pl.col(field.name).cast(pl.String if field.type == pa.string() else pl.Float32)
        for field in FEATURES
    )
    keys = index.select("subject_id", pl.col("subject_id").alias("entity_id"), _TIME)
    return pl.concat([keys, features, label], how="horizontal")


def _given_labels(tables: Tables, as_of: datetime.datetime, config: Config) -> pl.DataFrame:
    """`subject_id, prediction_time, given`: the last label of each subject; doses are above 0."""
    column = "float_value" if config.dose_cuts else "categorical_value"
    usable = pl.col(column).is_not_null()
    if config.dose_cuts:
        usable = (pl.col(column) > 0) & pl.col(column).is_finite()
    return (
        tables.labels.filter(pl.col(_TIME) <= as_of, usable)
        .sort(_TIME, column)
        .unique("subject_id", keep="last", maintain_order=True)
        .select("subject_id", _TIME, pl.col(column).alias("given"))
    )


def _typed(history: History, results: pl.DataFrame, as_of: datetime.datetime) -> pl.DataFrame:
    """`subject_id, prediction_time`: who has a genotype, on the day asked for."""
    return pl.DataFrame(
        {"subject_id": np.unique(history.subject_id[results["row"].to_numpy()])},
        schema={"subject_id": pl.Int64},
    ).with_columns(pl.lit(as_of).cast(pl.Datetime("us")).alias(_TIME))


def _choose_times(moments: list[pl.DataFrame]) -> pl.DataFrame:
    """The first of several frames that has a subject gives its time; sorted by subject."""
    return (
        pl.concat(moments, how="diagonal")
        .unique("subject_id", keep="first", maintain_order=True)
        .sort("subject_id")
    )


def find_courses(history: History) -> pl.DataFrame:
    """Courses of the compared treatments: `subject_id, start, treatment, next_start`.

    A course lasts until an event of another treatment. Sorted by subject and start.
    """
    found = history.rows_of(TREATMENTS, MEDICATIONS)
    events = pl.concat(
        [
            history.frame[rows].select(
                "subject_id", pl.col("time").alias("start"), pl.lit(name).alias("treatment")
            )
            for name, rows in found.items()
        ]
    )
    events = events.drop_nulls("start").sort("subject_id", "start", "treatment")
    begins = pl.col("treatment").ne_missing(pl.col("treatment").shift(1)).over("subject_id")
    return events.filter(begins).with_columns(
        pl.col("start").shift(-1).over("subject_id").alias("next_start")
    )


def treatments_that_worked(
    courses: pl.DataFrame, history: History, as_of: datetime.datetime
) -> pl.DataFrame:
    """Courses -> `subject_id, worked`: the first that went FOLLOWED well, where there is one."""
    failures = history.rows_of(FAILURES, CONDITIONS)["failure"]
    start = courses["start"].to_physical().to_numpy()
    subject = courses["subject_id"].to_numpy()
    settling, followed = (
        span // datetime.timedelta(microseconds=1) for span in (SETTLING, FOLLOWED)
    )
    failed = history.between(subject, start + settling + 1, start + followed + 1).count(failures)
    end = pl.col("start") + FOLLOWED
    return (
        courses.with_columns(pl.Series("failed", failed > 0))
        .join(find_deaths(history), on="subject_id", how="left", maintain_order="left")
        .filter(
            end < as_of,
            ~pl.col("failed"),
            (pl.col("next_start") > end).fill_null(value=True),
            (pl.col("death_time") > end).fill_null(value=True),
        )
        .unique("subject_id", keep="first", maintain_order=True)
        .select("subject_id", pl.col("treatment").alias("worked"))
    )


def _describe_patients(
    history: History, results: pl.DataFrame, index: pl.DataFrame
) -> dict[str, Column]:
    subject = index["subject_id"].to_numpy()
    now = index["prediction_time"].to_physical().to_numpy()
    past = history.before(subject, now)
    year = history.before(subject, now, 365)
    columns: dict[str, Column] = {
        **describe_subjects(history, subject, now),
        "race": last_suffix(history, "RACE//", past),
        "ethnicity": last_suffix(history, "ETHNICITY//", past),
        **history.latest_measures(LATEST, past),
        "alcohol_per_day": last_alcohol(history, past),
        "smoking_status": last_smoking_status(history, past),
        "conditions_distinct": past.count(history.first_rows(CONDITIONS)),
        "medications_distinct": past.count(history.first_rows(MEDICATIONS)),
    }
    for name, rows in history.rows_of(CONDITION_GROUPS, CONDITIONS).items():
        columns[f"condition_{name}"] = past.count(rows) > 0
    for name, rows in history.rows_of(DRUG_GROUPS, MEDICATIONS).items():
        columns[f"drug_{name}"] = year.count(rows) > 0
    columns |= _describe_body(columns)
    return columns | describe_genes(results, past, pl.Series(columns["race"]))


def _describe_body(columns: dict[str, Column]) -> dict[str, Column]:
    """Surface by weight and height, and the body mass index where it was not recorded itself."""
    weight, height, index = (
        np.asarray(columns[name], float) for name in ("weight", "height", "body_mass_index")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        computed = weight / np.square(height / 100)
        return {
            "body_mass_index": np.where(np.isnan(index), computed, index),
            "body_surface": np.sqrt(weight * height / 3600),
        }


def preprocessing_fn(inputs: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    """Raw features -> a column each: standardised numbers, flags, categories as they are.

    A missing number becomes MISSING_Z, below every value: one split of a tree tells it from all
    known ones, which is what a mark of its own would do. The forest keeps its own vocabulary of
    categories, of words seen at least MIN_FREQUENCY times.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    names = [field.name for field in _NUMBERS]
    numbers = tf.stack([inputs[name] for name in names], axis=1)
    scaled = tft.scale_to_z_score(numbers, elementwise=True)
    scaled = tf.where(tf.math.is_finite(scaled), scaled, tf.fill(tf.shape(scaled), MISSING_Z))
    outputs = dict(zip(names, tf.unstack(scaled, len(names), axis=1), strict=True))
    outputs |= {field.name: tf.identity(inputs[field.name]) for field in (*_FLAGS, *_CATEGORIES)}
    return outputs


def build_model(config: Config) -> "ydf.GenericLearner":
    """Random forest over all columns that `preprocessing_fn` gives.

    Doses are close to a sum of effects, so there a linear equation comes before the forest.
    """
    import ydf

    forest = {
        "num_trees": config.trees,
        "max_depth": config.max_depth,
        "min_examples": config.min_examples,
        "min_vocab_frequency": MIN_FREQUENCY,
        "random_seed": config.seed,
    }
    label = LABEL(config).name
    if config.dose_cuts:
        from transforms.linear_forest import LinearForestLearner

        learner = ydf.RandomForestLearner(label=label, task=ydf.Task.REGRESSION, **forest)
        return LinearForestLearner(learner, label, np.sqrt, PENALTY, MISSING_Z)
    return ydf.RandomForestLearner(label=label, winner_take_all=False, **forest)


def to_predictions(outputs: Outputs, config: Config = DEFAULT) -> Predictions:
    """Probability by treatment -> that of the likeliest as score, its class as label.

    Of a dose: itself as score, the class between the cuts it most probably falls in as label.
    """
    found = np.asarray(outputs.values[LABEL(config).name], dtype=np.float32)
    if config.dose_cuts:
        typical = float(outputs.values[f"{_DOSE.name}/mean"][:1].sum())  # the same in every row
        return predict_doses(found, typical, outputs.residuals, read_cuts(config.dose_cuts))
    return Predictions(
        score=found.max(axis=1),
        classes=outputs.classes,
        probabilities=found,
        label=found.argmax(axis=1),
    )
