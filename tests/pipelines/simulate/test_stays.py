import datetime
import itertools

import numpy as np
import pytest

from pipelines.simulate.hospital import BEGIN
from pipelines.simulate.people import HEART_FAILURE, make_person
from pipelines.simulate.stays import MAX_STAYS, simulate_stays

AS_OF = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def histories():
    """Person and resources of 300 made-up patients."""
    found = []
    for index in range(300):
        person = make_person(np.random.default_rng([9, 0, index]), index, BEGIN)
        rng = np.random.default_rng([9, 1, index])
        found.append((person, simulate_stays(rng, person, BEGIN, AS_OF)))
    return found


def of_type(resources, resource_type):
    return [resource for resource in resources if resource["resourceType"] == resource_type]


def period(encounter):
    """Start, end (None while open)."""
    times = encounter["period"]
    end = times.get("end")
    return (
        datetime.datetime.fromisoformat(times["start"]),
        datetime.datetime.fromisoformat(end) if end else None,
    )


def stays_of(resources):
    stays = [e for e in of_type(resources, "Encounter") if e["class"]["code"] == "IMP"]
    return sorted(stays, key=lambda stay: stay["period"]["start"])


def disposition(stay):
    return stay["hospitalization"]["dischargeDisposition"]["coding"][0]["code"]


def returns(stays):
    """Each discharge that can be judged, and whether an unplanned stay began within 30 days."""
    for stay, following in zip(stays, [*stays[1:], None], strict=True):
        _, end = period(stay)
        if end is None or end > AS_OF - datetime.timedelta(days=30):
            continue
        if disposition(stay) in ("hosp", "exp"):
            continue
        soon = following and period(following)[0] - end <= datetime.timedelta(days=30)
        planned = following and following["priority"]["coding"][0]["code"] == "EL"
        yield stay, bool(soon and not planned)


def test_a_sixth_of_discharges_come_back_and_more_with_heart_failure(histories):
    rates = {True: [], False: []}
    for person, resources in histories:
        rates[HEART_FAILURE in person.chronic] += [back for _, back in returns(stays_of(resources))]
    assert 0.13 < np.mean(rates[True] + rates[False]) < 0.25
    assert np.mean(rates[True]) > 1.5 * np.mean(rates[False])
    assert min(len(rates[True]), len(rates[False])) > 100


def test_returns_follow_creatinine(histories):
    """The last value of a stay that led to a return is higher."""
    last = {True: [], False: []}
    for _, resources in histories:
        stays = stays_of(resources)
        values = {
            observation["encounter"]["reference"]: observation["valueQuantity"]["value"]
            for observation in of_type(resources, "Observation")
            if observation["code"]["coding"][0]["code"] == "2160-0"
        }
        for stay, back in returns(stays):
            last[back].append(values[f"Encounter/{stay['id']}"])
    assert np.mean(last[True]) > np.mean(last[False]) + 0.1


def test_stays_follow_each_other(histories):
    gaps = []
    for person, resources in histories:
        stays = stays_of(resources)
        assert len(stays) <= MAX_STAYS
        for stay, following in itertools.pairwise(stays):
            start, end = period(stay)
            assert datetime.timedelta(days=1) <= end - start <= datetime.timedelta(days=15)
            gap = period(following)[0] - end
            assert gap > datetime.timedelta(0)
            gaps.append((gap < datetime.timedelta(days=1), disposition(stay) == "hosp"))
        if person.died:
            assert disposition(stays[-1]) == "exp"
            assert person.patient["deceasedDateTime"] == stays[-1]["period"]["end"]
    assert all(short == transfer for short, transfer in gaps)
    assert sum(short for short, _ in gaps) > 10


def test_what_a_stay_holds_lies_within_it(histories):
    names = {
        "Observation": "effectiveDateTime",
        "MedicationRequest": "authoredOn",
        "Procedure": "performedDateTime",
        "Condition": "onsetDateTime",
    }
    checked = 0
    for _, resources in histories:
        encounters = {f"Encounter/{e['id']}": e for e in of_type(resources, "Encounter")}
        for resource in resources:
            if resource["resourceType"] in names:
                start, end = period(encounters[resource["encounter"]["reference"]])
                time = datetime.datetime.fromisoformat(resource[names[resource["resourceType"]]])
                assert start <= time <= (end or AS_OF)
                checked += 1
    assert checked > 10_000


def test_rare_cases_occur(histories):
    stays = [stay for _, resources in histories for stay in stays_of(resources)]
    planned = [s for s in stays if s["priority"]["coding"][0]["code"] == "EL"]
    assert 0.02 < len(planned) / len(stays) < 0.1
    assert {s["type"][0]["coding"][0]["code"] for s in planned} == {"8715000"}
    assert 5 < sum(person.died is not None for person, _ in histories) < 60
    assert any(stay["status"] == "in-progress" for stay in stays)
    newest = [p for p in map(period, stays) if p[1] and p[1] > AS_OF - datetime.timedelta(days=30)]
    assert len(newest) > 15
