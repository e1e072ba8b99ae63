"""`outbreak` on the two sets of Cola-GNN (RMSE) and on ILINet (weighted interval score).

Weeks in order: the first 50 % train, the next 20 % tune, the last 30 % test, by the week that is
forecast, as Cola-GNN splits them; persistence's RMSE is then the published one. Figures are
public, so none is suppressed. Cola-GNN's matrices name no weeks: they get made-up ones in a row.

- RMSE: over all regions and test weeks, in cases. Baseline: the better of the last week's figure
  and that of the same week of the year before.
- Relative WIS: of 23 quantiles, ILITOTAL (cases, not per cent) of the nation and the ten HHS
  regions, mean over 1 to 4 weeks ahead, over that of FluSight's baseline: the last figure, spread
  by sums of the region's past weekly changes, taken with both signs. Below 1 is better.

95 % intervals: blocks of BLOCK_WEEKS test weeks are resampled, with all their regions.

`python -m bench.quality.outbreak FOLDER`, which holds `colagnn/` and ILINet's CSV. Sources:
https://doi.org/10.1145/3340531.3411975 (Cola-GNN), https://gis.cdc.gov/grasp/fluview (ILINet),
https://doi.org/10.1038/s41467-024-50601-9 (FluSight).
"""

import argparse
import datetime
import json
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.quality.rows import KEY, Clock, Row, bootstrap, nightrounds
from model_defs._outbreak_weeks import HORIZONS
from model_defs.outbreak import LEVELS
from transforms.keys import Keys

MODEL = "outbreak"
SPLIT = "last 30 % of weeks"
SERIES = "cases"
AS_OF = "2030-01-01"
MONDAY = datetime.date(2000, 1, 3)
SHARES = (0.5, 0.7)
YEAR = 52
BLOCK_WEEKS = 8
DRAWS = 4000
QUICK_REGIONS = 2
ILINET = "ILINet_hhs_national_1997w40_2022w47.csv"
ILINET_MONDAY = datetime.date(1997, 9, 29)  # of MMWR week 1997-40, which begins on the Sunday
PUBLISHED = {
    "Cola-GNN regions": {"rmse_h2": 480.0, "rmse_h3": 636.0},
    "Cola-GNN states": {"rmse_h2": 136.0, "rmse_h3": 167.0},
    "ILINet": {"rwis": 0.77},
}

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def run(folder: Path, *, seed: int = 0, quick: bool = False) -> list[Row]:
    """Ingests, trains and evaluates each set, with one net and with the product's mean of several.

    `quick` takes a few regions and two epochs, to see that the bench works.
    """
    sets = {
        "Cola-GNN regions": (read_matrix(folder / "colagnn" / "region785.txt"), MONDAY),
        "Cola-GNN states": (read_matrix(folder / "colagnn" / "state360.txt"), MONDAY),
        "ILINet": (read_ilinet(folder / ILINET), ILINET_MONDAY),
    }
    rows = []
    for name, (cases, monday) in sets.items():
        used = cases[:, :QUICK_REGIONS] if quick else cases
        for note, settings in (("single member", ["members=1"]), ("", [])):
            clock = Clock()
            few = ["epochs=2"] if quick else []
            with clock():
                found = forecast(used, monday, [f"seed={seed}", *settings, *few])
            for metric, figures in measure(used, found, list(PUBLISHED[name]), seed=seed).items():
                published = PUBLISHED[name][metric]
                rows.append(
                    Row(MODEL, name, SPLIT, metric, *figures, published, clock.seconds, note)
                )
    return rows


def read_matrix(path: Path) -> Floats:
    """A matrix of Cola-GNN -> cases (weeks, regions)."""
    return np.loadtxt(path, delimiter=",")


def read_ilinet(path: Path) -> Floats:
    """ILITOTAL (weeks, regions); NaN where a region reported no patients: summers before 2003."""
    frame = pl.read_csv(path, infer_schema_length=None).with_columns(
        pl.when(pl.col("TOTAL PATIENTS").cast(pl.Float64) > 0)
        .then(pl.col("ILITOTAL").cast(pl.Float64))
        .alias("cases")
    )
    wide = frame.pivot(on="REGION", index=["YEAR", "WEEK"], values="cases").sort("YEAR", "WEEK")
    return wide.drop("YEAR", "WEEK").to_numpy().astype(np.float64)


def borders(weeks: int) -> tuple[int, int]:
    """Number of weeks -> the first that tunes and the first that tests.

    >>> borders(785)
    (392, 549)
    """
    return int(weeks * SHARES[0]), int(weeks * SHARES[1])


def counts_of(cases: Floats, monday: datetime.date) -> pl.DataFrame:
    """Cases (weeks, regions) -> the columns of a file for `--counts`; missing weeks are empty."""
    weeks, regions = cases.shape
    return pl.DataFrame(
        {
            "series": [SERIES] * cases.size,
            "region": [f"R{region}" for region in range(regions) for _ in range(weeks)],
            "week": [monday + datetime.timedelta(weeks=w) for w in range(weeks)] * regions,
            "cases": cases.T.reshape(-1),
        }
    ).with_columns(pl.col("cases").fill_nan(None))


def settings_of(weeks: int, monday: datetime.date) -> list[str]:
    """The product's settings for this split."""
    tuning, held_out = (monday + datetime.timedelta(weeks=week) for week in borders(weeks))
    return ["smallest=0", f"tuning_from={tuning}", f"held_out_from={held_out}"]


def forecast(cases: Floats, monday: datetime.date, settings: list[str]) -> pl.DataFrame:
    """Runs the product -> the test rows: `region, week, horizon` (numbers), `truth, score, fan`."""
    with tempfile.TemporaryDirectory(prefix="bench-outbreak-") as scratch:
        counts, out = Path(scratch, "counts.csv"), Path(scratch, "held_out.parquet")
        counts_of(cases, monday).write_csv(counts)
        at = ("--warehouse", Path(scratch, "w"))
        nightrounds("ingest", *at, "--counts", counts)
        chosen = settings_of(len(cases), monday) + settings
        nightrounds("train", MODEL, *at, "--as-of", AS_OF, "--set", *chosen)
        nightrounds("evaluate", MODEL, *at, "--as-of", AS_OF, "-o", out)
        found = pl.read_parquet(out)
    keys = Keys(KEY.encode())
    ids = [keys.region_id(SERIES, f"R{region}") for region in range(cases.shape[1])]
    start = pl.lit(datetime.datetime.combine(monday, datetime.time()))
    return found.select(
        pl.col("entity_id")
        .replace_strict(ids, range(len(ids)), return_dtype=pl.Int64)
        .alias("region"),
        _weeks(pl.col("target_time") - start).alias("week"),
        (_weeks(pl.col("target_time") - pl.col("prediction_time")) + 1).alias("horizon"),
        "truth",
        "score",
        pl.col("quantiles")
        .list.eval(pl.element().struct.field("value"))
        .list.to_array(len(LEVELS))
        .alias("fan"),
    ).sort("week", "region", "horizon")


def _weeks(span: pl.Expr) -> pl.Expr:
    return span.dt.total_days() // 7


def measure(
    cases: Floats, found: pl.DataFrame, metrics: list[str], *, seed: int
) -> dict[str, tuple[float, float, float, float]]:
    """Rows of `forecast` -> by metric its value, the ends of its interval, the baseline's value."""
    measured = {}
    for metric in metrics:
        rows = found
        if metric != "rwis":
            rows = found.filter(pl.col("horizon") == int(metric.removeprefix("rmse_h")))
        truth, score = (rows[name].to_numpy().astype(np.float64) for name in ("truth", "score"))
        groups = rows["week"].to_numpy() // BLOCK_WEEKS
        if metric == "rwis":
            mine = interval_score(truth, rows["fan"].to_numpy().astype(np.float64))
            theirs = interval_score(truth, persistence_fans(cases, rows, seed))
            measured[metric] = (*bootstrap(_ratio, mine, theirs, groups=groups, seed=seed), 1.0)
        else:
            simple = min(rmse(truth, guess) for guess in simple_guesses(cases, rows))
            measured[metric] = (*bootstrap(rmse, truth, score, groups=groups, seed=seed), simple)
    return measured


def simple_guesses(cases: Floats, rows: pl.DataFrame) -> tuple[Floats, Floats]:
    """For each row the figure of its last week, and that of the same week of the year before."""
    week, region, horizon = (rows[name].to_numpy() for name in ("week", "region", "horizon"))
    return cases[week - horizon, region], cases[week - YEAR, region]


def rmse(truth: Floats, guess: Floats) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((truth - guess) ** 2)))


def interval_score(truth: Floats, fan: Floats) -> Floats:
    """Truth (n,), quantiles of LEVELS (n, 23) -> weighted interval score (n,).

    Twice the mean pinball loss is that score, with the usual weights.
    Source: https://doi.org/10.1371/journal.pcbi.1008618

    >>> float(interval_score(np.array([3.0]), np.full((1, 23), 1.0))[0])
    2.0
    """
    over = truth[:, None] - fan
    levels = np.array(LEVELS)
    score: Floats = 2 * np.maximum(levels * over, (levels - 1) * over).mean(axis=1)
    return score


def persistence_fans(cases: Floats, rows: pl.DataFrame, seed: int) -> Floats:
    """FluSight's baseline for each row, (n, 23): what was known at its origin alone is used."""
    random = np.random.default_rng(seed)
    changes = np.diff(cases, axis=0)
    fans = np.empty((rows.height, len(LEVELS)))
    origins = rows.with_columns(
        (pl.col("week") - pl.col("horizon")).alias("origin"), pl.int_range(pl.len()).alias("row")
    )
    for (origin, region), group in origins.group_by("origin", "region", maintain_order=True):
        past = changes[:origin, region]
        past = past[np.isfinite(past)]
        drawn = random.choice(np.concatenate([past, -past]), (max(HORIZONS), DRAWS))
        spread = np.quantile(np.cumsum(drawn, axis=0), LEVELS, axis=1)
        spread = (spread - spread[::-1]) / 2  # the draws' own skew is chance
        fan = np.maximum(cases[origin, region] + spread, 0)
        fans[group["row"].to_numpy()] = fan[:, group["horizon"].to_numpy() - 1].T
    return fans


def _ratio(mine: Floats, theirs: Floats) -> float:
    return float(mine.mean() / theirs.mean())


def main() -> None:
    """Prints the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    rows = run(arguments.folder, seed=arguments.seed, quick=arguments.quick)
    print(json.dumps([row.as_json() for row in rows], indent=1))
