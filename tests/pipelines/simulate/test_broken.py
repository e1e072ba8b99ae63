import datetime

import orjson
import pydicom
import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from pipelines.simulate import simulate_hospital
from pipelines.simulate.broken import Fault
from transforms.molecules import check_smiles


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital")
    return simulate_hospital(folder, patients=20, studies=10, seed=5, broken=True)


@pytest.fixture
def broken(hospital):
    return {item.fault: item for item in hospital.broken}


def line_of(item):
    (line,) = [x for x in item.path.read_bytes().splitlines() if item.identity.encode() in x]
    return line


def errors_of(line):
    resource = orjson.loads(line)
    with pytest.raises(ValidationError) as refused:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return {error["loc"][0] for error in refused.value.errors()}


def test_each_occurs_and_no_more_than_the_limit(hospital):
    assert {item.fault for item in hospital.broken} == set(Fault)
    assert len([item for item in hospital.broken if item.path.is_relative_to(hospital.fhir)]) < 10
    assert len([item for item in hospital.broken if item.path == hospital.pairs]) == 2


def test_truncated_line(broken):
    with pytest.raises(orjson.JSONDecodeError, match="unexpected end of data"):
        orjson.loads(line_of(broken[Fault.TRUNCATED_LINE]))


def test_the_lines_around_are_good_and_one_is_there_twice(broken):
    lines = broken[Fault.TRUNCATED_LINE].path.read_bytes().splitlines()
    assert len(lines) == 8
    assert lines[0] == lines[1] != lines[-1]
    for line in (lines[0], lines[-1]):
        resource = orjson.loads(line)
        model = get_fhir_model_class("Observation").model_validate(resource)
        assert model.valueQuantity.unit == "g/dL"


def test_r5_encounter(broken):
    line = line_of(broken[Fault.R5_ENCOUNTER])
    encounter = orjson.loads(line)
    assert encounter["class"][0]["coding"][0]["code"] == "AMB"
    assert "period" not in encounter
    assert {"class", "actualPeriod"} <= errors_of(line)


def test_string_for_number(broken):
    line = line_of(broken[Fault.STRING_FOR_NUMBER])
    assert orjson.loads(line)["valueQuantity"]["value"] == "3.9"


def test_unreadable_date(broken):
    line = line_of(broken[Fault.UNREADABLE_DATE])
    with pytest.raises(ValueError, match="Invalid isoformat"):
        datetime.datetime.fromisoformat(orjson.loads(line)["onsetDateTime"])
    assert errors_of(line) == {"onsetDateTime"}


def test_missing_reference(hospital, broken):
    bundle = orjson.loads(broken[Fault.MISSING_REFERENCE].path.read_bytes())
    (entry,) = bundle["entry"]
    target = entry["resource"]["subject"]["reference"].removeprefix("urn:uuid:")
    assert entry["resource"]["id"] == broken[Fault.MISSING_REFERENCE].identity
    assert len(target) == 36
    assert target not in hospital.identities


def test_truncated_bundle(broken):
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(broken[Fault.TRUNCATED_BUNDLE].path.read_bytes())


def test_truncated_dicom(broken):
    item = broken[Fault.TRUNCATED_DICOM]
    assert item.path.read_bytes()[128:132] == b"DICM"
    dataset = pydicom.dcmread(item.path)  # which does not mind
    assert item.identity.startswith(dataset.SOPInstanceUID)
    assert len(dataset.SOPInstanceUID) < len(item.identity)
    assert "PixelData" not in dataset


def test_text_named_dcm(broken):
    with pytest.raises(pydicom.errors.InvalidDicomError):
        pydicom.dcmread(broken[Fault.TEXT_NAMED_DCM].path)


def test_unreadable_compounds(broken):
    substance = orjson.loads(line_of(broken[Fault.UNREADABLE_COMPOUND]))
    get_fhir_model_class("SubstanceDefinition").model_validate(
        substance
    )  # as a resource it is good
    (written,) = substance["structure"]["representation"]
    assert check_smiles(written["representation"]) == "RDKit cannot read the SMILES"
    row = line_of(broken[Fault.UNREADABLE_PAIR]).decode().split(",")
    assert len(row) == 5
    assert check_smiles(row[2]) == "RDKit cannot read the SMILES"
