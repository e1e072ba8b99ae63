import csv
import datetime
import itertools

import numpy as np
import pytest

from pipelines.simulate.broken import UNREADABLE
from pipelines.simulate.compounds import SCAFFOLDS, SUBSTITUENTS, simulate_compounds
from pipelines.simulate.hospital import BEGIN
from transforms.molecules import check_sequence, check_smiles

AS_OF = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(resources, rows of the CSV)."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    written = simulate_compounds(np.random.default_rng(1), BEGIN, AS_OF, path)
    with path.open() as file:
        return written, list(csv.DictReader(file))


def structures(made):
    written, rows = made
    found = {
        r["name"][0]["name"]: r["structure"]["representation"][0]["representation"]
        for r in written
        if r["resourceType"] == "SubstanceDefinition"
    }
    return found | {row["compound"]: row["smiles"] for row in rows if row["smiles"]}


def test_every_compound_that_can_occur_is_readable():
    every = itertools.product(SCAFFOLDS, SUBSTITUENTS, SUBSTITUENTS)
    assert {check_smiles(scaffold.format(a=a, b=b)) for scaffold, a, b in every} == {None}
    assert check_smiles(UNREADABLE) == "RDKit cannot read the SMILES"


def test_every_pair_has_its_structures_in_one_place(made):
    written, rows = made
    substances = {r["name"][0]["name"] for r in written if "name" in r}
    targets = {
        r["identifier"][0]["value"]: r["observedSeq"]
        for r in written
        if r["resourceType"] == "MolecularSequence"
    }
    assert (len(substances), len(targets), len(rows)) == (42, 12, 48 * 12)
    assert all((row["compound"] in substances) != bool(row["smiles"]) for row in rows)
    assert {row["target"] for row in rows} == set(targets)
    assert {check_sequence(letters) for letters in targets.values()} == {None}
    assert len(set(structures(made).values())) == 48


def test_affinity_follows_from_scaffold_family_and_substituents(made):
    from rdkit import Chem

    known = [row for row in made[1] if row["affinity"]]
    assert 0.7 < len(known) / len(made[1]) < 0.9
    for row in made[1]:
        assert bool(row["affinity"]) == bool(row["time"])
        assert row["time"] < "2025-01-01"
    smiles = structures(made)
    skeletons = [Chem.MolFromSmarts(s.replace("({a})", "").replace("({b})", "")) for s in SCAFFOLDS]
    columns = []
    for row in known:
        molecule = Chem.MolFromSmiles(smiles[row["compound"]])
        fits = [float(molecule.HasSubstructMatch(skeleton)) for skeleton in skeletons]
        family = [float(row["target"][3] == number) for number in "1234"]
        halogens = [float(smiles[row["compound"]].count(f"({s})")) for s in SUBSTITUENTS]
        columns.append([*np.outer(fits, family).ravel(), *halogens])
    x, y = np.array(columns), np.array([float(row["affinity"]) for row in known])
    weights, *_ = np.linalg.lstsq(x, y, rcond=None)
    left = y - x @ weights
    assert np.std(y) > 0.8
    assert np.std(left) < 0.4
