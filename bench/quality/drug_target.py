"""`drug_target` on Davis' kinases (as DeepDTA's authors spread them), by its test fold.

The fold `test` is held out. One training fold is the tuning split, the other four are trained on.
Baseline: mean of the compound plus mean of the target less the mean of all, in the five training
folds.

`python -m bench.quality.drug_target FOLDER`, which holds `davis/`. Source:
https://github.com/hkmztrk/DeepDTA; published: MGraphDTA, https://doi.org/10.1039/d1sc05180f.
"""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import kendalltau

from bench.quality.rows import Clock, Row, bootstrap, nightrounds

MODEL, SET, SPLIT = "drug_target", "Davis", "test fold"
AS_OF = "2024-01-01"
TUNING_FOLD = "train0"
PUBLISHED = {"mse": 0.207, "ci": 0.900}
RUNS = {
    # What others read too: the published figures are of structures alone.
    "single member without names of targets": ("members=1", "names=false"),
    "single member": ("members=1",),
    "": (),
}
QUICK_COMPOUNDS = 8

Floats = npt.NDArray[np.floating]


def run(folder: Path, *, seed: int = 0, quick: bool = False) -> list[Row]:
    """Ingests, trains and evaluates each of RUNS: single networks, then the mean of several.

    `quick` takes a few compounds and two epochs, to see that the bench works.
    """
    davis = read_davis(folder / "davis")
    if quick:
        davis = davis.filter(
            pl.col("compound").is_in(sorted(set(davis["compound"]))[:QUICK_COMPOUNDS])
        )
    told = pairs_of(davis)
    baseline = measure(*baseline_of(told), seed=seed)
    few = ["epochs=2"] if quick else []
    rows = []
    # Each in a warehouse of its own: in one the gate would keep the better as champion of both.
    for note, chosen in RUNS.items():
        clock = Clock()
        with tempfile.TemporaryDirectory(prefix="bench-drug-target-") as scratch:
            pairs, out = Path(scratch, "pairs.csv"), Path(scratch, "held_out.parquet")
            told.write_csv(pairs)
            at = ("--warehouse", Path(scratch, "w"))
            with clock():
                nightrounds("ingest", *at, "--pairs", pairs)
                settings = (f"seed={seed}", *chosen, *few)
                nightrounds("train", MODEL, *at, "--as-of", AS_OF, "--set", *settings)
                nightrounds("evaluate", MODEL, *at, "--as-of", AS_OF, "-o", out)
            found = pl.read_parquet(out, columns=["truth", "score"])
        truth, score = found["truth"].to_numpy(), found["score"].to_numpy()
        for metric, (value, low, high) in measure(truth, score, seed=seed).items():
            known = (baseline[metric][0], PUBLISHED[metric])
            row = Row(MODEL, SET, SPLIT, metric, value, low, high, *known, clock.seconds, note)
            rows.append(row)
    return rows


def read_davis(folder: Path) -> pl.DataFrame:
    """-> `compound, target, smiles, sequence, affinity, fold`, one row for each pair."""
    text = {"ligand_id": pl.String}
    ligands = pl.read_csv(folder / "ligands.csv", schema_overrides=text)
    proteins = pl.read_csv(folder / "proteins.csv")
    return (
        pl.read_csv(folder / "pairs.csv.gz", schema_overrides=text)
        .join(ligands, on="ligand_id")
        .join(proteins, on="protein_id")
        .select(
            pl.col("ligand_id").alias("compound"),
            pl.col("protein_id").alias("target"),
            pl.col("smiles_isomeric").alias("smiles"),
            "sequence",
            "affinity",
            "fold",
        )
    )


def pairs_of(davis: pl.DataFrame) -> pl.DataFrame:
    """Davis with its folds -> the columns that `ingest --pairs` reads, `split` from the fold."""
    fold = pl.col("fold")
    split = (
        pl.when(fold == "test")
        .then(pl.lit("held_out"))
        .when(fold == TUNING_FOLD)
        .then(pl.lit("tuning"))
        .otherwise(pl.lit("train"))
    )
    return davis.with_columns(split.alias("split")).drop("fold")


def baseline_of(pairs: pl.DataFrame) -> tuple[Floats, Floats]:
    """-> affinities held out, and what means of the other pairs say of them."""
    known = pairs.filter(pl.col("split") != "held_out")
    held_out = pairs.filter(pl.col("split") == "held_out")
    mean = known["affinity"].mean()
    for name in ("compound", "target"):
        means = known.group_by(name).agg(pl.col("affinity").mean().alias(f"of_{name}"))
        held_out = held_out.join(means, on=name, how="left", maintain_order="left")
    said = (pl.col("of_compound") + pl.col("of_target") - mean).fill_null(mean)
    return held_out["affinity"].to_numpy(), held_out.select(said).to_series().to_numpy()


def measure(
    truth: Floats, score: Floats, *, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """-> value and 95 % interval by metric, over resamplings of the pairs."""
    metrics = {"mse": mean_squared_error, "ci": concordance_index}
    return {name: bootstrap(metric, truth, score, seed=seed) for name, metric in metrics.items()}


def mean_squared_error(truth: Floats, score: Floats) -> float:
    """Of numbers (n,) and (n,).

    >>> mean_squared_error(np.array([5.0, 7.0]), np.array([5.0, 6.0]))
    0.5
    """
    return float(np.mean((truth - score) ** 2))


def concordance_index(truth: Floats, score: Floats) -> float:
    """Share of the pairs of rows of different truth whose scores differ the same way; ties half.

    By Kendall's tau, which scipy counts in n log n: with C and D rows in the same and in the
    other order and P of different truth, the index is 1/2 + (C - D) / 2P.

    >>> round(concordance_index(np.array([5, 5, 6, 7.0]), np.array([1, 2, 2, 3.0])), 3)
    0.9
    """
    total = len(truth) * (len(truth) - 1) / 2
    different, score_differs = (total - _ties(values) for values in (truth, score))
    if not different:
        return float("nan")
    if not score_differs:
        return 0.5
    tau = kendalltau(truth, score, variant="b", method="asymptotic").statistic
    return float(0.5 + 0.5 * tau * np.sqrt(score_differs / different))


def _ties(values: Floats) -> float:
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((counts * (counts - 1) / 2).sum())
