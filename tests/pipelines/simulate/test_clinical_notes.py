import base64
import dataclasses
import datetime
import re

import numpy as np
import pytest

from pipelines.simulate.clinical_notes import SPECIALTIES, simulate_notes
from pipelines.simulate.hospital import BEGIN
from pipelines.simulate.people import make_person

AS_OF = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
HEADINGS = (
    "CHIEF COMPLAINT",
    "HISTORY",
    "MEDICATIONS",
    "PHYSICAL EXAMINATION",
    "ASSESSMENT",
    "PLAN",
)


@pytest.fixture(scope="module")
def notes():
    """(person, resource, its text, its label or None)."""
    found = []
    for index in range(200):
        person = make_person(np.random.default_rng([7, 0, index]), index, BEGIN)
        written, labels = simulate_notes(np.random.default_rng([7, 1, index]), person, BEGIN, AS_OF)
        by_id = {label.entity_id: label for label in labels}
        for note in written:
            text = base64.b64decode(note["content"][0]["attachment"]["data"]).decode()
            found.append((person, note, text, by_id.get(f"DocumentReference/{note['id']}")))
    return found


def kind_of(note):
    return note["type"]["text"] if "type" in note else None


def test_every_note_has_its_sections_in_order(notes):
    kinds = {}
    for _, note, text, label in notes:
        assert ("type" in note) == (label is not None)
        headings = tuple(re.findall(r"^([A-Z ]+):$", text, re.MULTILINE))
        kinds.setdefault(kind_of(note), set()).add(headings)
    assert kinds["Consult note"] == kinds["History and physical note"] == {HEADINGS}
    assert kinds["Progress note"] == {tuple(h for h in HEADINGS if h not in HEADINGS[1:3])}


def test_notes_hold_dates_measurements_and_drugs_with_their_dose(notes):
    for _, note, text, _ in notes:
        assert re.search(r"BP \d+/\d+ mmHg", text)
        assert re.search(r"Hemoglobin \d+\.\d g/dL, creatinine \d\.\d\d mg/dL", text)
        assert re.search(r"Return on [A-Z][a-z]+ \d\d, 202\d", text)
        assert re.search(r"Start [a-z]+ [\d.]+ (mg|mcg) ", text)
        if kind_of(note) in ("Consult note", "History and physical note"):
            assert re.search(r"Last seen on \d\d/\d\d/202\d", text)
    assert not any("{" in text for _, _, text, _ in notes)


def test_labels_are_specialties_and_the_newest_notes_have_none(notes):
    unlabelled = [note["date"] for *_, note, _, label in notes if label is None]
    labelled = [note["date"] for *_, note, _, label in notes if label]
    assert max(labelled) < "2024-12-18T00:00:00+00:00" <= min(unlabelled)
    assert {label.categorical_value for *_, label in notes if label} == set(SPECIALTIES)
    for person, note, _, label in notes:
        if label:
            assert label.subject_id == person.patient["id"]
            assert label.prediction_time == note["date"]


def test_most_of_a_note_is_about_its_specialty(notes):
    right = []
    for *_, text, label in notes:
        if label:
            said = {
                name: sum(
                    part in text for parts in dataclasses.astuple(subject)[:-1] for part in parts
                )
                for name, subject in SPECIALTIES.items()
            }
            right.append(max(said, key=said.__getitem__) == label.categorical_value)
    assert 0.8 < np.mean(right) < 0.98


def test_notes_name_nobody_and_no_specialty(notes):
    for person, _, text, _ in notes:
        assert not [name for name in (*person.identities, *SPECIALTIES) if name in text]
