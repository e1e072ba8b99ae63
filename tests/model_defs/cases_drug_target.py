"""Compounds, targets and pairs, written by hand or drawn, for the tests of `drug_target`."""

import datetime
from typing import Any

import numpy as np

from tests.builders import event_frame, table_frame
from transforms.bucket_tables import Tables
from transforms.molecules import AMINO_ACIDS

AS_OF = datetime.datetime.fromisoformat("2024-01-01")
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"
KINASE = "MKKFFDSRREQGGSGLGSGSSGGGGSTSGLGSGYIGRVFGIGRQQ"
RECEPTOR = "MENFQKVEKIGEGTYGVVYKARNKLTGEVVALKKIRLDTETEGV"
Row = dict[str, Any]
_SUBSTITUENTS = ("C", "CC", "OC", "N", "F", "Cl", "C#N", "C(F)(F)F", "NC(C)=O", "c1ccccc1")


def day(number: float) -> datetime.datetime:
    """Days since the start of 2023."""
    return datetime.datetime.fromisoformat("2023-01-01") + datetime.timedelta(days=number)


def pair(number: int, compound: str, target: str, **columns: object) -> Row:
    """A row of `pairs`; what is not given is null."""
    return {"bucket": 0, "pair_id": number, "compound": compound, "target": target, **columns}


def molecule(number: int, kind: str, name: str, structure: str, **columns: object) -> Row:
    """A row of `molecules`: a SMILES of a compound, a sequence of a target."""
    column = "smiles" if kind == "compound" else "sequence"
    row = {"bucket": 0, "molecule_id": number, "kind": kind, "name": name, column: structure}
    return {**row, **columns}


def tables_of(pairs: list[Row], molecules: list[Row] | None = None) -> Tables:
    """Rows of pairs and of molecules -> Tables."""
    return Tables(
        pairs=table_frame("pairs", pairs), molecules=table_frame("molecules", molecules or [])
    )


def tables(seed: int = 0, subjects: int = 60) -> Tables:
    """Some `subjects` compounds with three targets each: the first letters and the halogen bind."""
    rng = np.random.default_rng(seed)
    targets = {
        f"T{n}": "".join(rng.choice(list(AMINO_ACIDS), int(rng.integers(60, 200))))
        for n in range(6)
    }
    compounds = {
        f"C{n}": f"c1cc({a})cc({b})c1CC{c}"
        for n, (a, b, c) in enumerate(rng.choice(_SUBSTITUENTS, (subjects, 3)).tolist())
    }
    pairs = []
    for number, (compound, smiles) in enumerate(compounds.items()):
        for target in rng.choice(sorted(targets), 3, replace=False).tolist():
            binds = 2.0 * ("F" in smiles) + (target in ("T0", "T1"))
            pairs.append(
                pair(
                    len(pairs) + 1,
                    compound,
                    target,
                    smiles=smiles if number % 2 else None,
                    affinity=float(5 + binds + rng.normal(0, 0.1)),
                    time=day(number) if number % 3 else None,
                )
            )
    molecules = [
        molecule(n, "target", name, sequence, time=day(-n))
        for n, (name, sequence) in enumerate(targets.items())
    ]
    molecules += [
        molecule(100 + n, "compound", name, smiles)
        for n, (name, smiles) in enumerate(compounds.items())
    ]
    facts = [{"time": day(30 * month), "resource_id": month} for month in range(12)]
    drawn = tables_of(pairs, molecules)
    return Tables(
        # What is no business of the model: it must not matter.
        events=event_frame(facts),
        pairs=drawn.pairs,
        molecules=drawn.molecules,
    )
