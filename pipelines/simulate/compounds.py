"""Compounds, targets and how strongly they bind, in which binding can be learned.

A compound is a scaffold with two substituents, a target a member of a family of similar
sequences. Affinity (pKd) is what the scaffold is worth to the family, plus what the
substituents are, plus noise.
"""

import csv
import datetime
import itertools
from pathlib import Path

import numpy as np

from pipelines.simulate import resources
from pipelines.simulate.resources import Resource, instant

COMPOUNDS, FAMILIES, MEMBERS = 48, 4, 3
SCAFFOLDS = (
    "Cc1ccc({a})cc1NC(=O)c1ccc({b})cc1",
    "c1cc({b})ccc1Nc1ncnc2ccc({a})cc12",
    "Nc1ncc({a})c(-c2ccc({b})cc2)n1",
    "O=C(Nc1ccc({a})cc1)Nc1ccc({b})cc1",
    "c1cc({a})ccc1-c1cc(-c2ccc({b})cc2)[nH]n1",
)
SUBSTITUENTS = {
    **{"F": 0.2, "Cl": 0.5, "Br": 0.6, "C": 0.1, "OC": 0.0, "C(F)(F)F": 0.8},
    **{"C#N": -0.2, "N(C)C": -0.4, "O": -0.6, "C(=O)O": -0.9},
}
_LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
_LENGTH, _CHANGED, _NOISE, _MEASURED = 140, 0.12, 0.3, 0.8
_PAIR_COLUMNS = ("compound", "target", "smiles", "affinity", "time")


def simulate_compounds(
    rng: np.random.Generator, begin: datetime.datetime, as_of: datetime.datetime, pairs: Path
) -> list[Resource]:
    """SubstanceDefinitions and MolecularSequences; `pairs` becomes a CSV of every pair of them.

    A fifth of the pairs has not been measured and is what the model is asked for. The structure
    of every eighth compound stands in the CSV, and in no resource.
    """
    every = list(itertools.product(range(len(SCAFFOLDS)), SUBSTITUENTS, SUBSTITUENTS))
    chosen = [every[n] for n in rng.permutation(len(every))[:COMPOUNDS]]
    compounds = {
        f"NR-{1001 + n}": (SCAFFOLDS[scaffold].format(a=a, b=b), (scaffold, a, b))
        for n, (scaffold, a, b) in enumerate(chosen)
    }
    targets = _targets(rng)
    worth = rng.normal(6.2, 1.0, (len(SCAFFOLDS), FAMILIES))
    time = begin + datetime.timedelta(days=30)
    written = [
        resources.substance(rng, name, smiles, time)
        for n, (name, (smiles, _)) in enumerate(compounds.items())
        if n % 8
    ]
    written += [
        resources.molecular_sequence(rng, n, letters, time) for n, letters in targets.items()
    ]
    with pairs.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_PAIR_COLUMNS)
        for n, (name, (smiles, (scaffold, a, b))) in enumerate(compounds.items()):
            for number, target in enumerate(targets):
                found = worth[scaffold, number // MEMBERS] + SUBSTITUENTS[a] + SUBSTITUENTS[b]
                affinity = round(float(np.clip(found + rng.normal(0, _NOISE), 4, 11)), 2)
                day = begin + datetime.timedelta(days=float(rng.uniform(60, (as_of - begin).days)))
                measured = rng.random() < _MEASURED
                writer.writerow(
                    [
                        *(name, target, "" if n % 8 else smiles),
                        *((affinity, instant(day)) if measured else ("", "")),
                    ]
                )
    return written


def _targets(rng: np.random.Generator) -> dict[str, str]:
    """Sequences by name; those of a family differ in one place of eight."""
    found = {}
    for family in range(FAMILIES):
        ancestor = rng.choice(_LETTERS, _LENGTH)
        for member in range(MEMBERS):
            changed = np.where(
                rng.random(_LENGTH) < _CHANGED, rng.choice(_LETTERS, _LENGTH), ancestor
            )
            found[f"KIN{family + 1}{'ABC'[member]}"] = "M" + "".join(changed)
    return found
