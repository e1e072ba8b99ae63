"""Genotypes and what they do, read from Observations: a diplotype and a function per gene.

A result names its gene by its own code (CYP2C9 genotype), by its text (`CYP2C19*2/*2`) or by a
component of the same Observation (gene studied). Several rows about a gene: the last one counts.

VKORC1 is read site by site: a result that names an rs number is about that site, one that names
none is about -1639 (rs9923231), which decides on the dose of warfarin and can be told from its
neighbours where it was not measured.

Sources: https://hl7.org/fhir/uv/genomics-reporting/STU2/pharmacogenomics.html;
CPIC's functions of alleles, https://cpicpgx.org/guidelines/; IWPC 2009 (imputation),
https://doi.org/10.1056/NEJMoa0809329, supplementary appendix.
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
SITE_STUDIED = "LOINC//81255-2"  # dbSNP

# Sites of VKORC1 and their bases as IWPC writes them; results on the other strand are turned.
PROMOTER = "rs9923231"
SITES = {
    PROMOTER: "AG",  # -1639 G>A
    "rs9934438": "CT",  # 1173 C>T
    "rs8050894": "CG",  # 1542 G>C: the same on both strands, taken as written
    "rs2359612": "CT",  # 2255 C>T
    "rs7294": "AG",  # 3730 G>A
    "rs2884737": "GT",  # 497 T>G
    "rs17880887": "AC",  # -4451 C>A
}
_OTHER_STRAND = str.maketrans("ACGT", "TGCA")
# What a site says about -1639: (site, genotype) -> genotype, in the order of trust. Those of
# LINKED hold for white and Asian patients only.
_TO_PROMOTER: tuple[tuple[str, dict[str, str]], ...] = (
    ("rs2359612", {"C/C": "G/G", "T/T": "A/A"}),
    ("rs9934438", {"C/C": "G/G", "T/T": "A/A", "C/T": "A/G"}),
    ("rs8050894", {"G/G": "G/G", "C/C": "A/A", "C/G": "A/G"}),
    ("rs2359612", {"C/T": "A/G"}),
)
LINKED = ("rs2359612", "rs8050894")
LINKED_IN = ("2106-3", "2028-9")

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


def turn_strand(site: str, diplotype: str) -> str:
    """A genotype of a site of VKORC1 -> the same in the bases of SITES.

    >>> turn_strand("rs9923231", "C/T"), turn_strand("rs9934438", "C/T")
    ('A/G', 'C/T')
    """
    if set(diplotype) <= {*SITES[site], "/"}:
        return diplotype
    return "/".join(sorted(diplotype.translate(_OTHER_STRAND).split("/")))


def impute_promoter(sites: pl.DataFrame, race: pl.Series) -> pl.Series:
    """Genotypes, a column per site, and OMB race -> that of -1639, where missing from others."""
    linked = race.cast(pl.String).is_in(LINKED_IN).fill_null(value=False)
    said = [
        pl.when(pl.col("linked") | (site not in LINKED)).then(
            pl.col(site).replace_strict(genotypes, default=None, return_dtype=pl.String)
        )
        for site, genotypes in _TO_PROMOTER
    ]
    return sites.with_columns(linked=linked).select(pl.coalesce(PROMOTER, *said))[PROMOTER]


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
    """Genotype and phenotype results: `row` of the history, `gene`, `diplotype`, `function`.

    `gene` is one of GENES but VKORC1, or one of SITES. An Observation's components name its gene
    or site for the others.
    """
    wanted = pl.col("code").is_in([*GENE_OF_CODE, *NAMED_RESULTS, GENE_STUDIED, SITE_STUDIED])
    rows = np.intersect1d(history.rows_coded(wanted), history.rows_of_types(OBSERVATIONS))
    text = pl.concat_str(
        pl.col("text_value").fill_null(""),
        pl.col("codes").list.join(" ").fill_null(""),
        separator=" ",
    )
    results = history.frame[rows].select(
        pl.Series("row", rows, dtype=pl.Int64),
        "resource_id",
        "code",
        text.alias("text"),
        text.str.extract(f"({'|'.join(GENES)})", 1).alias("named_gene"),
        text.str.extract(r"\b(rs\d+)\b", 1).alias("named_site"),
    )
    told = [GENE_STUDIED, SITE_STUDIED]
    site = pl.coalesce("named_site", "named_site_studied")
    gene = pl.coalesce(
        pl.col("code").replace_strict(GENE_OF_CODE, default=None),
        "named_gene",
        "named_gene_studied",
        pl.when(site.is_in(list(SITES))).then(pl.lit("VKORC1")),
    )
    results = (
        results.filter(~pl.col("code").is_in(told))
        .join(_studied(results, GENE_STUDIED, "named_gene"), on="resource_id", how="left")
        .join(_studied(results, SITE_STUDIED, "named_site"), on="resource_id", how="left")
        .with_columns(
            pl.when(gene == "VKORC1").then(site.fill_null(PROMOTER)).otherwise(gene).alias("gene")
        )
        .filter(pl.col("gene").is_in([*GENES, *SITES]))
    )
    distinct = results.select("gene", "text").unique()
    read = [_read(gene, text) for gene, text in distinct.iter_rows()]
    return (
        results.join(
            distinct.with_columns(
                pl.Series("diplotype", [diplotype for diplotype, _ in read], pl.String),
                pl.Series("function", [function for _, function in read], pl.Float64),
            ),
            on=["gene", "text"],
            how="left",
        )
        .select("row", "gene", "diplotype", "function")
        .sort("row")
    )


def _studied(results: pl.DataFrame, code: str, column: str) -> pl.DataFrame:
    """What a component names for its Observation: `resource_id`, `<column>_studied`."""
    return (
        results.filter(pl.col("code") == code)
        .drop_nulls(["resource_id", column])
        .unique("resource_id", keep="first", maintain_order=True)
        .select("resource_id", pl.col(column).alias(f"{column}_studied"))
    )


def _read(gene: str, text: str) -> tuple[str, float]:
    """A gene or site and a result as written -> diplotype and function."""
    if gene in SITES:
        diplotype = turn_strand(gene, read_diplotype(text))
        return diplotype, read_function("VKORC1" if gene == PROMOTER else "", text)
    return read_diplotype(text), read_function(gene, text)


def describe_genes(
    results: pl.DataFrame, window: Window, race: pl.Series
) -> dict[str, pl.Series | Floats]:
    """`genotype_…` and `function_…` of each gene in each range, and `genotype_rs…` of each site.

    Those of VKORC1 are of -1639, where it was not measured as other sites say. `race` is the OMB
    category of each range's subject.
    """
    columns: dict[str, pl.Series | Floats] = {}
    for gene in GENES:
        diplotype, function = last_results(results, gene, window)
        columns[f"genotype_{gene.lower()}"] = diplotype
        columns[f"function_{gene.lower()}"] = function
    read = {site: last_results(results, site, window) for site in SITES}
    sites = pl.DataFrame({site: genotype for site, (genotype, _) in read.items()})
    promoter = impute_promoter(sites, race)
    said = read[PROMOTER][1]
    known = [float("nan") if one is None else read_function("VKORC1", one) for one in promoter]
    columns["genotype_vkorc1"] = promoter
    columns["function_vkorc1"] = np.where(np.isnan(said), known, said)
    return columns | {f"genotype_{site}": sites[site] for site in SITES}


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
