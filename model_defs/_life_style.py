"""Smoking and alcohol, from the last answers of a patient."""

import numpy as np
import polars as pl

from model_defs._history import History, Window

SMOKING = "LOINC//72166-2"
ALCOHOL = "LOINC//74013-4"
# By code of SNOMED CT or answer of LOINC, or by word; the first that fits counts.
SMOKING_STATUS: dict[str, str] = {
    "not_current": r"8392000|non-?smoker|not currently|does not smoke",
    "never": r"266919005|la18978-9|never",
    "former": r"8517006|la15920-4|former|ex-smoker",
    "current": r"449868002|77176002|4280\d1000124\d+|la18976-3|la18977-1|la18979-7|la18981-3"
    r"|la18982-1|current|every day|daily",
}


def last_alcohol(history: History, window: Window) -> pl.Series:
    """Drinks a day by the last answer in each range; null for none."""
    rows = history.rows_coded(pl.col("code") == ALCOHOL)
    values = history.frame["numeric_value"].cast(pl.Float64)
    rows = rows[values[rows].is_not_null().to_numpy()]
    last = pl.Series(window.last(rows))
    return values.gather(last.set(last < 0, None))


def last_smoking_status(history: History, window: Window) -> pl.Series:
    """Category of the last answer in each range; null for none, or one that says nothing."""
    rows = history.rows_coded(pl.col("code") == SMOKING)
    text = pl.concat_str(
        pl.col("text_value").fill_null(""),
        pl.col("codes").list.join(" ").fill_null(""),
        separator=" ",
    ).str.to_lowercase()
    status = history.frame[rows].select(
        pl.coalesce(
            pl.when(text.str.contains(pattern)).then(pl.lit(name))
            for name, pattern in SMOKING_STATUS.items()
        ).alias("status")
    )["status"]
    known: np.ndarray = status.is_not_null().to_numpy()
    position = pl.Series(window.last_position(rows[known]))
    return status.drop_nulls().gather(position.set(position < 0, None))
