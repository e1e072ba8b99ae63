"""SubstanceDefinition and MolecularSequence -> rows of `molecules`."""

import json

import pytest

from tests.transforms.fhir.builders import (
    KEYS,
    PATIENT,
    Json,
    bundle,
    concept,
    errors,
    last_us,
    observation,
    read,
    read_lines,
    us,
)

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
EGFR = "MRPSGTAGAALLALLAALCPASRA"
ID = KEYS.resource_id("SubstanceDefinition", "s1")


def written(text: str, **representation: object) -> Json:
    """A representation, in SMILES unless another format or type is given."""
    return {"representation": text, **(representation or {"format": {"text": "SMILES"}})}


def substance(*representations: Json, **elements: object) -> Json:
    return {
        "resourceType": "SubstanceDefinition",
        "id": "s1",
        "structure": {"representation": list(representations)},
        **elements,
    }


def sequence(**elements: object) -> Json:
    return {
        "resourceType": "MolecularSequence",
        "id": "q1",
        "coordinateSystem": 0,
        "type": "aa",
        "observedSeq": EGFR,
        **elements,
    }


def test_a_substance_is_a_compound_under_its_preferred_name():
    rows = read(
        substance(
            written(ASPIRIN),
            meta={"lastUpdated": "2024-02-01T10:00:00Z", "versionId": "3"},
            name=[{"name": "Acetylsalicylic acid"}, {"name": " aspirin ", "preferred": True}],
            identifier=[{"value": "R16CO5Y76E"}],
        )
    )
    time = us("2024-02-01T10:00:00")
    assert rows.molecules == [(ID, "compound", "aspirin", ASPIRIN, None, time, time, "3", 9, 0)]
    assert rows.read == {"SubstanceDefinition": 1}
    assert (rows.events, rows.pending, rows.skipped, rows.deletions) == ([], [], {}, [])


@pytest.mark.parametrize(
    ("elements", "name"),
    [
        ({"name": [{"name": "aspirin"}, {"name": "ASA"}]}, "aspirin"),
        ({"name": [{"name": " "}], "identifier": [{}, {"value": "R16CO5Y76E"}]}, "R16CO5Y76E"),
        ({"status": concept("http://x", "active")}, "SubstanceDefinition/s1"),
    ],
)
def test_the_name_of_a_compound(elements, name):
    ((_, kind, found, *_),) = read(substance(written(ASPIRIN), **elements)).molecules
    assert (kind, found) == ("compound", name)


def test_the_first_smiles_counts_whatever_else_is_written():
    rows = read(
        substance(
            written("InChI=1S/CH4/h1H4", format=concept("http://x", "InChI")),
            written("", type={"text": "SMILES"}),
            written(f" {ASPIRIN}\n", type=concept("http://x", "canonicalSMILES")),
            written("C"),
        )
    )
    assert [row[3] for row in rows.molecules] == [ASPIRIN]


def test_a_target_has_no_white_space_and_its_identifier_as_name():
    rows = read(sequence(observedSeq=f"{EGFR[:10]}\n {EGFR[10:]}", identifier=[{"value": "EGFR"}]))
    target_id = KEYS.resource_id("MolecularSequence", "q1")
    assert rows.molecules == [
        (target_id, "target", "EGFR", None, EGFR, None, None, None, 9, 0),
    ]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (concept("http://x", "P00533", text="EGFR"), "P00533"),
        ({"text": "EGFR"}, "EGFR"),
        ({}, "MolecularSequence/q1"),
    ],
)
def test_a_target_may_be_named_by_its_reference(reference, name):
    rows = read(sequence(referenceSeq={"referenceSeqId": reference}))
    assert rows.molecules[0][2] == name


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (substance(), "no SMILES"),
        ({"resourceType": "SubstanceDefinition", "id": "s1"}, "no SMILES"),
        (substance(written("InChI=1S/CH4/h1H4", format={"text": "InChI"})), "no SMILES"),
        (sequence(type="dna", observedSeq="ACGT"), "no amino acids"),
        (sequence(observedSeq=None), "no amino acids"),
        (sequence(patient=PATIENT), "sequence of a patient"),
    ],
)
def test_what_is_no_compound_and_no_target_withdraws_its_earlier_version(resource, reason):
    rows = read({**resource, "meta": {"lastUpdated": "2024-02-01"}})
    assert rows.skipped == {reason: 1}
    assert rows.molecules == rows.events == []
    name, key = resource["resourceType"], KEYS.resource_id(resource["resourceType"], resource["id"])
    assert rows.deletions == [(name, key, last_us("2024-02-01"), None, 9, 0)]


def test_the_sequence_of_a_patient_known_in_the_bundle_is_left_out_too():
    rows = read(bundle(observation(), sequence(patient=PATIENT)))
    assert len(rows.events) == 1
    assert (rows.molecules, rows.skipped) == ([], {"sequence of a patient": 1})


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (
            substance(written("C1CC")),
            "SubstanceDefinition.structure.representation: RDKit cannot read the SMILES",
        ),
        (
            sequence(observedSeq="MRPSGT4GAALL"),
            "MolecularSequence.observedSeq: "
            "the sequence has characters that are no amino acids of IUPAC",
        ),
    ],
)
def test_what_cannot_be_read_is_quarantined_whole(resource, message):
    data = json.dumps(resource).encode()
    rows = read_lines(data + b"\n" + json.dumps(sequence(id="good")).encode())
    assert errors(rows) == [("InputError", message)]
    assert rows.quarantine[0][-1] == data
    assert len(rows.molecules) == 1


@pytest.mark.parametrize(
    ("resource", "element"),
    [
        (substance(written(ASPIRIN), characterization=[]), "SubstanceDefinition.characterization"),
        (sequence(subject=PATIENT), "MolecularSequence.subject"),
    ],
)
def test_elements_of_r5_are_named(resource, element):
    ((error_class, message),) = errors(read(resource))
    assert error_class == "WrongVersion"
    assert message.startswith(element)
