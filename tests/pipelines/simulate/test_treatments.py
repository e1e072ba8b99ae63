import datetime

import numpy as np
import pytest

from pipelines.simulate.hospital import BEGIN
from pipelines.simulate.people import make_person
from pipelines.simulate.treatments import DRUGS, simulate_treatment

AS_OF = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
NAMES = {code: name for name, (_, code, _) in DRUGS.items()}
SLOW = {
    *("Poor metabolizer", "*2/*2", "*2/*3"),
    *("Intermediate metabolizer", "*1/*2", "*1/*3"),
}


def value_of(resources, code):
    for resource in resources:
        if (
            resource["resourceType"] == "Observation"
            and resource["code"]["coding"][0]["code"] == code
        ):
            return resource
    return None


@pytest.fixture(scope="module")
def histories():
    found = []
    for index in range(400):
        person = make_person(np.random.default_rng([4, 0, index]), index, BEGIN)
        rng = np.random.default_rng([4, 1, index])
        found.append((person, simulate_treatment(rng, person, BEGIN, AS_OF)))
    return found


def courses(resources):
    """(drug, first order, last order) in time order."""
    orders = sorted(
        (
            datetime.datetime.fromisoformat(resource["authoredOn"]),
            resource["medicationCodeableConcept"]["coding"][0]["code"],
        )
        for resource in resources
        if resource["resourceType"] == "MedicationRequest"
    )
    found = []
    for time, code in orders:
        if found and found[-1][0] == NAMES[code]:
            found[-1] = (NAMES[code], found[-1][1], time)
        else:
            found.append((NAMES[code], time, time))
    return found


def is_slow(resources):
    activity, diplotype = value_of(resources, "79714-2"), value_of(resources, "84413-4")
    if activity:
        return activity["valueCodeableConcept"]["text"] in SLOW
    return diplotype["valueString"].removeprefix("CYP2C19") in SLOW


def test_genotype_decides_for_nine_in_ten(histories):
    treated = [(p, r, courses(r)) for p, r in histories if courses(r)]
    agrees = []
    for person, resources, taken in treated:
        start = taken[0][1]
        age = person.age + (start - BEGIN).days / 365.25
        weight = value_of(resources, "29463-7")["valueQuantity"]["value"]
        stroke = any(
            r["resourceType"] == "Condition" and r["code"]["coding"][0]["code"] == "230690007"
            for r in resources
        )
        expected = "clopidogrel"
        if is_slow(resources):
            expected = "ticagrelor" if age >= 75 or weight < 60 or stroke else "prasugrel"
        agrees.append(taken[-1][0] == expected)
    assert 0.85 < np.mean(agrees) < 0.95
    assert 0.8 < len(treated) / len(histories) < 0.92
    assert {taken[-1][0] for *_, taken in treated} == set(DRUGS)


def test_the_last_course_lasts_and_is_over_in_time(histories):
    changed = 0
    for _, resources in histories:
        taken = courses(resources)
        if not taken:
            continue
        assert len(taken) <= 2
        changed += len(taken) == 2
        _, first, last = taken[-1]
        assert first + datetime.timedelta(days=110) < last < AS_OF
        assert first + datetime.timedelta(days=90) < AS_OF
        failures = [
            datetime.datetime.fromisoformat(r["onsetDateTime"])
            for r in resources
            if r["resourceType"] == "Condition"
        ]
        assert not any(first <= time <= first + datetime.timedelta(days=90) for time in failures)
    assert 0.15 < changed / len(histories) < 0.3


def test_everything_but_the_course_comes_before_it(histories):
    for _, resources in histories:
        taken = courses(resources)
        for resource in resources:
            if resource["resourceType"] == "Observation" and taken:
                time = datetime.datetime.fromisoformat(resource["effectiveDateTime"])
                assert time < taken[0][1]


def test_each_form_of_genotype_occurs(histories):
    forms = {
        (value_of(r, "79714-2") is not None, value_of(r, "84413-4") is not None)
        for _, r in histories
    }
    assert forms == {(True, False), (False, True), (True, True)}
    gene = next(value_of(r, "84413-4") for _, r in histories if value_of(r, "84413-4"))
    assert gene["component"][0]["code"]["coding"][0]["code"] == "48018-6"
    assert gene["component"][0]["valueCodeableConcept"] == {"text": "CYP2C19"}
