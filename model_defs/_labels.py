"""Labels that a site gives, for models whose labels are of entities."""

import datetime

import polars as pl

from transforms.bucket_tables import Tables


def given_labels(tables: Tables, column: str, as_of: datetime.datetime) -> pl.DataFrame:
    """`entity_id, given`: the last label of each entity, of those for times up to `as_of`.

    `column` is the value column of schemas.LABELS. Of two labels for one time the greater one is
    taken.
    """
    return (
        tables.labels.drop_nulls(["entity_id", column])
        .filter(pl.col("prediction_time") <= as_of)
        .sort("prediction_time", column)
        .unique("entity_id", keep="last", maintain_order=True)
        .select("entity_id", pl.col(column).alias("given"))
    )
