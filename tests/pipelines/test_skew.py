"""One patient who has far more than all others: one bucket holds it, and nothing is lost."""

from bench.scale import write_one_patient
from tests.pipelines.warehouses import select

MANY, OTHERS = 20_000, 3
COUNTS = """
SELECT count(*) AS n, count(DISTINCT resource_id) AS resources, sum(numeric_value) AS total
FROM events WHERE code LIKE '%8867-4' GROUP BY subject_id ORDER BY n DESC
"""


def test_a_patient_with_most_of_the_events_is_merged_with_itself(run, tmp_path):
    one = write_one_patient(tmp_path / "one", MANY)
    first = run(one)
    assert first.rows_added["events"] >= MANY
    expected = [(MANY, MANY, sum(60.0 + number % 40 for number in range(MANY)))]
    assert select(tmp_path, COUNTS) == expected
    others = tmp_path / "others"
    others.mkdir()
    text = (one / "Observation.ndjson").read_text().splitlines()[: 5 * OTHERS]
    for number in range(OTHERS):
        lines = text[number * 5 : number * 5 + 5]
        renamed = "".join(line.replace("Patient/p", f"Patient/q{number}") + "\n" for line in lines)
        own = renamed.replace('"id": "o', f'"id": "q{number}-')
        (others / f"Observation-{number}.ndjson").write_text(own)
        patient = f'{{"resourceType": "Patient", "id": "q{number}"}}\n'
        (others / f"Patient-{number}.ndjson").write_text(patient)
    for folder in (one, others):
        again = run(folder)
    assert again.rows_added["events"] >= 5 * OTHERS
    found = select(tmp_path, COUNTS)
    assert found[0] == expected[0]
    assert [(n, resources) for n, resources, _ in found[1:]] == [(5, 5)] * OTHERS
