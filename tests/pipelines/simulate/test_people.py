import numpy as np
import pytest
from fhir.resources.R4B import get_fhir_model_class

from pipelines.simulate.hospital import BEGIN
from pipelines.simulate.people import CHRONIC, make_person


@pytest.fixture(scope="module")
def people():
    return [make_person(np.random.default_rng([1, index]), index, BEGIN) for index in range(200)]


def test_identifiers_are_unique(people):
    assert len({person.mrn for person in people}) == 200
    numbers = [i["value"] for person in people for i in person.patient["identifier"]]
    assert len(set(numbers)) == 400
    assert len({person.patient["id"] for person in people}) == 200


def test_patients_are_valid(people):
    for person in people[:20]:
        patient = get_fhir_model_class("Patient").model_validate(person.patient)
        assert patient.gender == {"F": "female", "M": "male"}[person.sex]
        assert len(patient.address[0].postalCode) == 5


def test_identities_are_all_texts_that_name_someone(people):
    person = people[7]
    patient = person.patient
    assert set(person.identities) == {
        patient["name"][0]["family"],
        patient["name"][0]["given"][0],
        patient["id"],
        patient["telecom"][0]["value"],
        patient["address"][0]["line"][0],
        person.mrn,
        patient["identifier"][1]["value"],
    }


def test_age_is_that_of_the_birth_date(people):
    for person in people:
        born = np.datetime64(person.patient["birthDate"])
        years = (np.datetime64(BEGIN.date()) - born).astype(int) / 365.25
        assert years == pytest.approx(person.age, abs=0.01)
        assert 21 <= person.age <= 93


def test_every_chronic_condition_occurs(people):
    assert {name for person in people for name in person.chronic} == set(CHRONIC)


def test_death_is_in_the_record():
    person = make_person(np.random.default_rng(1), 1, BEGIN)
    person.die(BEGIN)
    assert person.died == BEGIN
    assert person.patient["deceasedDateTime"] == "2021-07-01T00:00:00+00:00"
