"""The sum that decides whether a run is published."""

import pytest

from transforms.counts import Count, StageCounts, collect
from transforms.errors import RunFailed


def test_counts_are_summed_by_stage():
    stages = collect(
        [
            (Count("read_fhir", "read", "Patient"), 3),
            (Count("read_fhir", "read", "Claim"), 2),
            (Count("read_fhir", "written"), 3),
            (Count("read_fhir", "skipped", "type Claim"), 2),
        ]
    )
    assert stages["read_fhir"].summary() == {
        "stage": "read_fhir",
        "read": 5,
        "written": 3,
        "quarantined": 0,
        "duplicate": 0,
        "skipped": {"type Claim": 2},
    }
    assert stages["read_fhir"].by_type == {"Patient": 3, "Claim": 2}
    stages["read_fhir"].check()


@pytest.mark.parametrize("field", ["written", "quarantined", "duplicate", "read"])
def test_one_input_too_many_anywhere_fails(field):
    stage = StageCounts("read_fhir", read=4, written=1, quarantined=1, duplicate=1)
    stage.add(Count("read_fhir", "skipped", "x"), 1)
    stage.check()
    stage.add(Count("read_fhir", field), 1)
    with pytest.raises(RunFailed, match=r"read_fhir: \d inputs were read"):
        stage.check()
