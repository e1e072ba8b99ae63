import datetime
import gzip
import json

import numpy as np
import polars as pl
import pytest

from bench.quality.drug_target import (
    baseline_of,
    concordance_index,
    mean_squared_error,
    measure,
    pairs_of,
    read_davis,
)
from model_defs.drug_target import examples
from tests.ingested import tables_of
from tests.model_defs.cases_drug_target import ASPIRIN, CAFFEINE, KINASE, RECEPTOR

AS_OF = datetime.datetime(2024, 1, 1)
FOLDS = ("train0", "train1", "train2", "train3", "train4", "test")


def davis():
    """4 compounds x 6 targets, each fold one target's pairs or other."""
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        [
            {
                "compound": str(c),
                "target": f"T{t}",
                "smiles": "C" * (c + 1),
                "sequence": KINASE[t:],
                "affinity": float(rng.normal(6, 1)),
                "fold": FOLDS[(c + t) % 6],
            }
            for c in range(4)
            for t in range(6)
        ]
    )


def test_the_files_are_read(tmp_path):
    (tmp_path / "ligands.csv").write_text("ligand_id,smiles_canonical,smiles_isomeric\n007,CO,OC\n")
    (tmp_path / "proteins.csv").write_text("protein_id,sequence\nK,MKKFFDSRR\n")
    with gzip.open(tmp_path / "pairs.csv.gz", "wt") as file:
        file.write("ligand_id,protein_id,affinity,fold\n007,K,7.5,test\n")
    assert read_davis(tmp_path).to_dicts() == [
        {
            "compound": "007",
            "target": "K",
            "smiles": "OC",
            "sequence": "MKKFFDSRR",
            "affinity": 7.5,
            "fold": "test",
        }
    ]


def test_the_test_fold_alone_is_held_out():
    found = pairs_of(davis())
    assert "fold" not in found.columns
    both = davis().join(found, on=["compound", "target"])
    splits = {fold: set(part["split"]) for (fold,), part in both.group_by("fold")}
    assert splits["test"] == {"held_out"}
    assert splits["train0"] == {"tuning"}
    assert all(splits[f"train{n}"] == {"train"} for n in (1, 2, 3, 4))


def test_the_baseline_reads_no_held_out_affinity():
    told = pairs_of(davis())
    changed = told.with_columns(
        pl.when(pl.col("split") == "held_out").then(99.0).otherwise("affinity").alias("affinity")
    )
    truth, said = baseline_of(told)
    other_truth, again = baseline_of(changed)
    assert said.tolist() == again.tolist()
    assert (other_truth == 99).all()
    assert truth.tolist() == told.filter(pl.col("split") == "held_out")["affinity"].to_list()


def test_the_baseline_is_the_sum_of_means():
    rows = [
        *(("a", "k", 5.0, "train"), ("a", "l", 7.0, "tuning"), ("b", "k", 9.0, "train")),
        *(("b", "l", 0.0, "held_out"), ("c", "k", 0.0, "held_out")),
    ]
    told = pl.DataFrame(rows, ["compound", "target", "affinity", "split"], orient="row")
    assert baseline_of(told)[1].tolist() == [9 + 7 - 7, 7]  # of c nothing is known


def brute_force_ci(truth, score):
    found = [
        0.5 if p == q else float((t > u) == (p > q))
        for i, (t, p) in enumerate(zip(truth, score, strict=True))
        for u, q in zip(truth[:i], score[:i], strict=True)
        if t != u
    ]
    return np.mean(found)


@pytest.mark.parametrize("seed", range(5))
def test_the_concordance_index_is_that_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    truth = np.maximum(rng.normal(5, 1, 80).round(1), 5)
    score = (truth + rng.normal(0, 1, 80)).round(1)
    assert concordance_index(truth, score) == pytest.approx(brute_force_ci(truth, score))


def test_the_concordance_index_at_its_ends():
    truth = np.array([5.0, 5.0, 6.0, 7.0])
    assert concordance_index(truth, truth) == pytest.approx(1)
    assert concordance_index(truth, -truth) == pytest.approx(0)
    assert concordance_index(truth, np.zeros(4)) == 0.5
    assert np.isnan(concordance_index(np.ones(3), np.arange(3.0)))


def test_measures_have_intervals():
    rng = np.random.default_rng(0)
    truth = rng.normal(6, 1, 200)
    found = measure(truth, truth + rng.normal(0, 0.5, 200))
    assert found["mse"][0] == pytest.approx(0.25, abs=0.06)
    for value, low, high in found.values():
        assert low < value < high
    assert mean_squared_error(truth, truth) == 0


SUBSTANCES = {"aspirin": ASPIRIN, "caffeine": CAFFEINE}
SEQUENCES = {"kinase": KINASE, "receptor": RECEPTOR}


def fhir_molecules():
    """SubstanceDefinitions and MolecularSequences as NDJSON."""
    compounds = [
        {
            "resourceType": "SubstanceDefinition",
            "id": f"s-{name}",
            "meta": {"lastUpdated": "2023-01-01T00:00:00Z"},
            "name": [{"name": name, "preferred": True}],
            "structure": {
                "representation": [{"representation": smiles, "format": {"text": "SMILES"}}]
            },
        }
        for name, smiles in SUBSTANCES.items()
    ]
    targets = [
        {
            "resourceType": "MolecularSequence",
            "id": f"q-{name}",
            "meta": {"lastUpdated": "2023-01-01T00:00:00Z"},
            "identifier": [{"value": name}],
            "type": "aa",
            "coordinateSystem": 0,
            "observedSeq": sequence,
        }
        for name, sequence in SEQUENCES.items()
    ]
    return "".join(json.dumps(resource) + "\n" for resource in [*compounds, *targets])


def examples_of(folder, keys, **inputs):
    """Ingested files -> the examples of all that the warehouse then holds."""
    return examples(tables_of(folder, keys, AS_OF, ("pairs", "molecules"), **inputs), AS_OF)


def test_molecules_of_fhir_and_of_the_file_give_the_same_examples(tmp_path, keys):
    names = pl.DataFrame(
        {
            "compound": ["aspirin", "aspirin", "caffeine"],
            "target": ["kinase", "receptor", "kinase"],
            "affinity": [5.0, 6.5, 7.25],
            "split": ["train", "tuning", "held_out"],
        }
    )
    told = names.with_columns(
        smiles=pl.col("compound").replace_strict(SUBSTANCES),
        sequence=pl.col("target").replace_strict(SEQUENCES),
    )
    for frame, name in ((names, "names"), (told, "told")):
        (tmp_path / name).mkdir()
        frame.write_csv(tmp_path / name / "pairs.csv")
    (tmp_path / "fhir.ndjson").write_text(fhir_molecules())
    of_fhir = examples_of(
        tmp_path / "names",
        keys,
        pairs=tmp_path / "names" / "pairs.csv",
        fhir=tmp_path / "fhir.ndjson",
    )
    of_file = examples_of(tmp_path / "told", keys, pairs=tmp_path / "told" / "pairs.csv")
    assert of_file.height == 3
    assert of_fhir.equals(of_file)
    assert sorted(of_file["split"]) == ["held_out", "train", "tuning"]
