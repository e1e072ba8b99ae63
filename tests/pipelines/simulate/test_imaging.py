import collections
import datetime

import numpy as np
import pytest

from pipelines.simulate.hospital import BEGIN
from pipelines.simulate.imaging import simulate_imaging
from pipelines.simulate.people import CANCER, make_person

AS_OF = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def imaged():
    people = [make_person(np.random.default_rng([2, index]), index, BEGIN) for index in range(40)]
    people[0].die(AS_OF)
    return simulate_imaging(np.random.default_rng(2), people, 60, BEGIN, AS_OF)


def codes(resource, element):
    found = resource[element]
    concepts = found if isinstance(found, list) else [found]
    return {coding["code"] for concept in concepts for coding in concept["coding"]}


def test_reports_say_what_the_picture_shows(imaged):
    seen = collections.Counter()
    for item in imaged:
        reports = [r for r in item.resources if r["resourceType"] == "DiagnosticReport"]
        for report in reports:
            normal = codes(report, "conclusionCode") == {"17621005"}
            assert normal != item.study.diseased
            issued = datetime.datetime.fromisoformat(report["issued"])
            assert item.study.time < issued <= item.study.time + datetime.timedelta(days=1)
        conditions = [r for r in item.resources if r["resourceType"] == "Condition"]
        assert len(conditions) == (len(reports) if item.study.diseased else 0)
        for condition in conditions:
            assert codes(condition, "code") & {"J18.9", "C34.90"}
            assert condition["onsetDateTime"] > reports[0]["issued"]
        seen[len(reports)] += 1
    assert seen == {1: 52, 0: 8}  # the newest tenth and the two of nobody known


def test_share_of_disease(imaged):
    assert 15 < sum(item.study.diseased for item in imaged) < 35


def test_the_unread_are_the_newest(imaged):
    unread = [item.study.time for item in imaged[:6]]
    assert min(unread) >= AS_OF - datetime.timedelta(days=14)
    assert max(item.study.time for item in imaged[6:]) < AS_OF - datetime.timedelta(days=59)


def test_nobody_with_a_tumour_or_dead_is_imaged(imaged):
    assert not any(CANCER in item.person.chronic or item.person.died for item in imaged)
