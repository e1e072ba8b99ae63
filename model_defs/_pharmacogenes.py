"""Genotypes and what they do, read from Observations: a diplotype and a function per gene.

A result names its gene by its own code (CYP2C9 genotype), by its text (`CYP2C19*2/*2`) or by a
component of the same Observation (gene studied). Several rows about a gene: the last one counts.

Sources: https://hl7.org/fhir/uv/genomics-reporting/STU2/pharmacogenomics.html;
CPIC's functions of alleles, https://cpicpgx.org/guidelines/; -1639 of VKORC1 is rs9923231.
"""

import re

import numpy as np
import polars as pl

from model_defs._history import OBSERVATIONS, Floats, History, Window

GENES = (
    "VKORC1",
    "CYP2C9",
    "CYP2C19",
    "CYP2D6",
    "CYP3A5",
    "CYP4F2",
    "SLCO1B1",
    "TPMT",
    "DPYD",
    "UGT1A1",
)
# Codes whose value is the genotype, or the metabolic activity, of one gene.
GENE_OF_CODE = {
    "LOINC//50722-8": "VKORC1",
    "LOINC//46724-1": "CYP2C9",
    "LOINC//57132-1": "CYP2C19",
    "LOINC//40425-3": "CYP2D6",
    "LOINC//79716-7": "CYP2C9",
    "LOINC//79714-2": "CYP2C19",
    "LOINC//79715-9": "CYP2D6",
    "LOINC//79719-1": "DPYD",
}
# Genotype display name, DNA sequence variation display name, effect on drug metabolism.
NAMED_RESULTS = ("LOINC//84413-4", "LOINC//47998-0", "LOINC//53040-2")
GENE_STUDIED = "LOINC//48018-6"

# Steps from poor (0) to ultrarapid (4), by word or LOINC answer; the first that fits counts.
METABOLISERS: dict[float, str] = {
    4.0: r"ultra-?\s?rapid|la10315-2",
    3.0: r"rapid|la25390-8",
    2.0: r"normal metabol|extensive metabol|la25391-6",
    1.0: r"intermediate|la10317-8",
    0.0: r"poor metabol|la9657-3",
}
# Activity of an allele: none 0, decreased 0.5, normal 1, increased 1.5.
ALLELE_ACTIVITY: dict[str, dict[str, float]] = {
    "CYP2C19": {"*1": 1, "*2": 0, "*3": 0, "*4": 0, "*6": 0, "*8": 0, "*9": 0.5, "*17": 1.5},
    "CYP2C9": {"*1": 1, "*2": 0.5, "*3": 0, "*5": 0.5, "*6": 0, "*8": 0.5, "*11": 0.5},
    "CYP2D6": {"*1": 1, "*2": 1, "*3": 0, "*4": 0, "*5": 0, "*6": 0, "*10": 0.25, "*41": 0.25},
    "CYP3A5": {"*1": 1, "*3": 0, "*6": 0, "*7": 0},
    "TPMT": {"*1": 1, "*2": 0, "*3A": 0, "*3B": 0, "*3C": 0},
    # The strand is not always stated: A/G and T/C are the same site.
    "VKORC1": {"G": 1, "C": 1, "A": 0, "T": 0},
}
_STARS = r"(\*\d+[A-Z]?)\s*/\s*(\*\d+[A-Z]?)"
_BASES = r"(?:^|[\s:=(])([ACGT])\s*[/|;]\s*([ACGT])(?:$|[\s)])"


def read_diplotype(text: str) -> str:
    """A genotype as written -> its two alleles in order, `""` where none are found.

    >>> read_diplotype("CYP2C19*17/*1"), read_diplotype("VKORC1 rs9923231 G/A")
    ('*1/*17', 'A/G')
    """
    found = re.search(_STARS, text) or re.search(_BASES, text)
    if found is None:
        return ""
    return "/".join(sorted(found.groups(), key=lambda allele: (len(allele), allele)))


def read_function(gene: str, text: str) -> float:
    """What a result says of a gene's function, NaN for nothing.

    From words, or answers of LOINC, 0 (poor) to 4 (ultrarapid). From a diplotype the sum of its
    alleles' activity, brought to those steps: under 0.5 poor, under 2 intermediate (under 1 poor
    for CYP2C9), 2 normal, 2.5 rapid, more ultrarapid.

    >>> read_function("CYP2C19", "*2/*2"), read_function("CYP2C19", "Normal metabolizer")
    (0.0, 2.0)
    """
    for step, pattern in METABOLISERS.items():
        if re.search(pattern, text.lower()):
            return step
    alleles = read_diplotype(text).split("/")
    known = ALLELE_ACTIVITY.get(gene, {})
    if not all(allele in known for allele in alleles):
        return float("nan")
    activity = sum(known[allele] for allele in alleles)
    if activity >= 2:
        return min(4.0, 2 * activity - 2)
    return 0.0 if activity < (1 if gene == "CYP2C9" else 0.5) else 1.0


def find_results(history: History) -> pl.DataFrame:
    """Genotype and phenotype results: `row` of the history, `gene`, `diplotype`, `function`."""
    wanted = pl.col("code").is_in([*GENE_OF_CODE, *NAMED_RESULTS, GENE_STUDIED])
    rows = np.intersect1d(history.rows_coded(wanted), history.rows_of_types(OBSERVATIONS))
    text = pl.concat_str(
        pl.col("text_value").fill_null(""),
        pl.col("codes").list.join(" ").fill_null(""),
        separator=" ",
    )
    named = f"({'|'.join(GENES)})"
    results = history.frame[rows].select(
        pl.Series("row", rows, dtype=pl.Int64),
        "resource_id",
        "code",
        text.alias("text"),
        text.str.extract(named, 1).alias("named_gene"),
    )
    studied = (
        results.filter(pl.col("code") == GENE_STUDIED)
        .drop_nulls(["resource_id", "named_gene"])
        .unique("resource_id", keep="first", maintain_order=True)
        .select("resource_id", pl.col("named_gene").alias("studied_gene"))
    )
    results = (
        results.filter(pl.col("code") != GENE_STUDIED)
        .join(studied, on="resource_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce(
                pl.col("code").replace_strict(GENE_OF_CODE, default=None),
                "named_gene",
                "studied_gene",
            ).alias("gene")
        )
        .drop_nulls("gene")
    )
    distinct = results.select("gene", "text").unique()
    return results.join(
        distinct.with_columns(
            pl.Series("diplotype", [read_diplotype(t) for t in distinct["text"]], pl.String),
            pl.Series(
                "function",
                [read_function(g, t) for g, t in distinct.iter_rows()],
                pl.Float64,
            ),
        ),
        on=["gene", "text"],
        how="left",
        maintain_order="left",
    ).select("row", "gene", "diplotype", "function")


def last_results(results: pl.DataFrame, gene: str, window: Window) -> tuple[pl.Series, Floats]:
    """Of one gene the last diplotype (null for none) and function (NaN) in each range."""
    of_gene = results.filter(pl.col("gene") == gene).sort("row")
    typed = of_gene.filter(pl.col("diplotype") != "")
    acting = of_gene.filter(pl.col("function").is_not_nan())
    return (
        _last(typed, "diplotype", window),
        _last(acting, "function", window).fill_null(float("nan")).to_numpy(),
    )


def _last(results: pl.DataFrame, column: str, window: Window) -> pl.Series:
    position = pl.Series(window.last_position(results["row"].to_numpy()))
    return results[column].gather(position.set(position < 0, None))
