import datetime

import numpy as np
import pytest
from fhir.resources.R4B import get_fhir_model_class

from pipelines.simulate import resources

TIME = datetime.datetime(2024, 3, 1, 7, 8, 9, tzinfo=datetime.UTC)
PATIENT = {"resourceType": "Patient", "id": "p1"}
CODE = (resources.SNOMED, "22298006", "Myocardial infarction")


def made():
    rng = np.random.default_rng(1)
    visit = resources.encounter(
        rng,
        PATIENT,
        encounter_class="IMP",
        kind=CODE,
        start=TIME,
        end=TIME,
        reason=CODE,
        priority="EM",
        disposition="home",
    )
    study = resources.imaging_study(rng, PATIENT, "2.25.1", "CT", TIME, 3)
    return [
        visit,
        resources.encounter(rng, PATIENT, encounter_class="AMB", kind=CODE, start=TIME, end=None),
        resources.condition(rng, PATIENT, (CODE, CODE), TIME, within=visit),
        resources.observation(rng, PATIENT, CODE, TIME, value=1.5, unit="g/dL", within=visit),
        resources.observation(rng, PATIENT, CODE, TIME, answer=CODE),
        resources.observation(rng, PATIENT, CODE, TIME, text="*1/*2"),
        resources.medication_request(rng, PATIENT, CODE, TIME, within=visit),
        resources.procedure(rng, PATIENT, CODE, TIME, within=visit),
        study,
        resources.diagnostic_report(rng, PATIENT, CODE, TIME, TIME, (CODE,), study=study),
        resources.communication(rng, PATIENT, "my head hurts", TIME),
        resources.questionnaire_response(rng, PATIENT, "http://x/q", {"why": "my head"}, TIME),
        resources.document_reference(rng, PATIENT, CODE, "CHIEF COMPLAINT: none", TIME),
        resources.document_reference(rng, PATIENT, None, "CHIEF COMPLAINT: none", TIME),
    ]


@pytest.mark.parametrize("number", range(len(made())))
def test_resources_are_valid_r4(number):
    resource = made()[number]
    model = get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert model.subject.reference == "Patient/p1"
    assert resource["meta"]["lastUpdated"] == "2024-03-01T08:08:09+00:00"


def test_compounds_and_targets_are_valid_and_about_nobody():
    rng = np.random.default_rng(1)
    for resource in (
        resources.substance(rng, "NR-1", "CCO", TIME),
        resources.molecular_sequence(rng, "KIN1A", "MKVLAAGIV", TIME),
    ):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        assert not {"subject", "patient"} & set(resource)


def test_ids_repeat_with_the_seed_and_differ_within_it():
    ids = [resource["id"] for resource in made()]
    assert ids == [resource["id"] for resource in made()]
    assert len(set(ids)) == len(ids)


def test_fields_that_are_not_given_are_left_out():
    visit = made()[1]
    assert visit["period"] == {"start": "2024-03-01T07:08:09+00:00"}
    assert visit["status"] == "in-progress"
    assert not {"reasonCode", "priority", "hospitalization"} & set(visit)
