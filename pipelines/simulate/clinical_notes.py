"""Clinical notes of several specialties: sections, dates, measurements, drugs with their dose.

The specialty is what most of the note is about, and never named in it: a part of it is about what
else the patient suffers from, so that no model is always right. The document type says nothing
about the specialty. No note names its patient.
"""

import dataclasses
import datetime

import numpy as np

from pipelines.simulate import resources
from pipelines.simulate.labels import Label, label_of
from pipelines.simulate.people import Person
from pipelines.simulate.resources import LOINC, Code, Resource


@dataclasses.dataclass(frozen=True)
class _Subject:
    """What notes of one specialty say, by section; `{n}` is a number of weeks."""

    complaints: tuple[str, ...]
    history: tuple[str, ...]
    examination: tuple[str, ...]
    assessment: tuple[str, ...]
    plan: tuple[str, ...]
    drugs: tuple[str, ...]


SPECIALTIES: dict[str, _Subject] = {
    "Cardiology": _Subject(
        ("Chest pressure on exertion.", "Palpitations.", "Swelling of both ankles."),
        (
            "The pressure comes on the stairs and leaves with rest within minutes.",
            "There were runs of a fast heart beat over the last {n} weeks, without syncope.",
            "The patient sleeps on two pillows and wakes short of breath.",
        ),
        ("Regular rhythm, systolic murmur at the apex.", "Pitting edema to the shins."),
        ("Stable angina.", "Paroxysmal atrial fibrillation.", "Congestive heart failure."),
        ("Echocardiogram and stress test.", "Holter monitor over 48 hours."),
        ("metoprolol 50 mg twice daily", "lisinopril 10 mg daily", "furosemide 40 mg daily"),
    ),
    "Orthopedics": _Subject(
        ("Right knee pain.", "Left shoulder pain after a fall.", "Low back pain."),
        (
            "The knee locks and gives way on stairs; it was twisted {n} weeks ago.",
            "Lifting the arm above the head is painful and weak.",
            "Pain shoots down the leg when bending forward.",
        ),
        ("Medial joint line tenderness, small effusion.", "Flexion limited to 90 degrees."),
        ("Medial meniscus tear.", "Rotator cuff tendinitis.", "Lumbar disc herniation."),
        ("MRI of the joint, then physical therapy.", "Arthroscopy was discussed."),
        ("naproxen 500 mg twice daily", "acetaminophen 500 mg every 6 hours"),
    ),
    "Gastroenterology": _Subject(
        ("Abdominal pain.", "Blood in the stool.", "Heartburn and nausea."),
        (
            "Cramps in the lower abdomen with loose stools for {n} weeks.",
            "Heartburn is worst after meals and when lying down.",
            "Bright red blood was seen on the paper; weight is stable.",
        ),
        ("Abdomen soft, tender in the left lower quadrant.", "Bowel sounds are normal."),
        ("Reflux esophagitis.", "Irritable bowel syndrome.", "Internal hemorrhoids."),
        ("Colonoscopy with biopsies.", "Upper endoscopy, stool culture."),
        ("omeprazole 20 mg daily", "ondansetron 4 mg as needed"),
    ),
    "Neurology": _Subject(
        ("Headache.", "Numbness of the right hand.", "Tremor."),
        (
            "The headaches are throbbing, on one side, with sensitivity to light.",
            "Tingling of the fingers wakes the patient at night since {n} weeks.",
            "The hand shakes at rest and writing has become small.",
        ),
        ("Cranial nerves intact, reflexes symmetric.", "Tinel sign positive at the wrist."),
        ("Migraine without aura.", "Carpal tunnel syndrome.", "Parkinsonism."),
        ("Nerve conduction study.", "MRI of the brain with contrast."),
        ("sumatriptan 50 mg as needed", "gabapentin 300 mg three times daily"),
    ),
    "Urology": _Subject(
        ("Weak urinary stream.", "Flank pain.", "Blood in the urine."),
        (
            "The stream is slow and the patient gets up four times at night.",
            "Colicky pain from the flank to the groin began {n} weeks ago.",
            "Voiding burns and is frequent; there was no fever.",
        ),
        ("Prostate enlarged, smooth, not tender.", "Tenderness over the costovertebral angle."),
        ("Benign prostatic hyperplasia.", "Kidney stone.", "Recurrent cystitis."),
        ("Cystoscopy and bladder scan.", "CT of kidneys and ureters without contrast."),
        ("tamsulosin 0.4 mg at bedtime", "ciprofloxacin 250 mg twice daily"),
    ),
    "Pulmonology": _Subject(
        ("Shortness of breath.", "Cough for {n} weeks.", "Wheezing at night."),
        (
            "The cough brings up white sputum, mostly in the morning.",
            "Breath gets short after one flight of stairs; inhalers help for hours.",
            "Smoking history of 30 pack years, stopped {n} weeks ago.",
        ),
        ("Scattered wheezes, prolonged expiration.", "Breath sounds reduced at the bases."),
        ("Asthma, not well controlled.", "Chronic bronchitis.", "Sleep apnea."),
        ("Spirometry before and after bronchodilator.", "Overnight oximetry."),
        ("albuterol 90 mcg as needed", "prednisone 20 mg daily for 5 days"),
    ),
}
RADIOLOGY = "Radiology"
"""The class of the imaging studies' reports, which are notes as well."""

_TYPES: tuple[Code, ...] = (
    (LOINC, "11488-4", "Consult note"),
    (LOINC, "34117-2", "History and physical note"),
    (LOINC, "11506-3", "Progress note"),
)
_PER_PERSON, _OTHER = 0.8, 0.3
_UNREAD, _UNREAD_DAYS = 0.1, 14  # the newest notes are what the model is asked for


def simulate_notes(
    rng: np.random.Generator,
    person: Person,
    begin: datetime.datetime,
    as_of: datetime.datetime,
) -> tuple[list[Resource], list[Label]]:
    """Notes on one patient between `begin` and `as_of` (UTC); of the older ones their class.

    The newest are not filed yet: they have no document type.
    """
    until = person.died or as_of
    written: list[Resource] = []
    labels = []
    unread_from = as_of - datetime.timedelta(days=_UNREAD_DAYS)
    for _ in range(rng.poisson(_PER_PERSON)):
        specialty = str(rng.choice(list(SPECIALTIES)))
        kind = _TYPES[rng.integers(len(_TYPES))]
        first = unread_from if rng.random() < _UNREAD else begin
        day = rng.uniform(0, (as_of - first).days)
        time = first + datetime.timedelta(minutes=int(day * 1440))
        if time >= until:
            continue
        text = write_note(rng, specialty, kind, time)
        read = time < unread_from
        filed_as = kind if read else None
        note = resources.document_reference(rng, person.patient, filed_as, text, time)
        written.append(note)
        if read:
            labels.append(label_of(person.patient, note, time, specialty))
    return written, labels


def write_note(
    rng: np.random.Generator, specialty: str, kind: Code, time: datetime.datetime
) -> str:
    """The text of one note; a progress note is shorter."""
    main = SPECIALTIES[specialty]
    other = SPECIALTIES[str(rng.choice([name for name in SPECIALTIES if name != specialty]))]

    def subject() -> _Subject:
        return other if rng.random() < _OTHER else main

    def some(sentences: tuple[str, ...], most: int) -> str:
        chosen = rng.permutation(sentences)[: rng.integers(1, most + 1)]
        return " ".join(chosen).replace("{n}", str(rng.integers(2, 12)))

    seen = (time - datetime.timedelta(days=int(rng.integers(20, 200)))).date()
    drugs = rng.permutation(subject().drugs)[:2]
    vitals = (
        f"BP {rng.integers(104, 168)}/{rng.integers(60, 98)} mmHg, pulse {rng.integers(54, 104)} "
        f"bpm, temperature {rng.uniform(36.2, 38.1):.1f} C, weight {rng.uniform(52, 110):.1f} kg."
    )
    laboratory = (
        f"Hemoglobin {rng.uniform(9.5, 16):.1f} g/dL, creatinine {rng.uniform(0.6, 1.8):.2f} mg/dL."
    )
    back = (time + datetime.timedelta(weeks=int(rng.integers(2, 12)))).date()
    sections = [
        ("CHIEF COMPLAINT", some(subject().complaints, 1)),
        ("HISTORY", f"{some(subject().history, 2)} Last seen on {seen:%m/%d/%Y}."),
        ("MEDICATIONS", "\n".join(f"{n}. {drug}" for n, drug in enumerate(drugs, 1))),
        ("PHYSICAL EXAMINATION", f"{vitals} {some(subject().examination, 2)} {laboratory}"),
        ("ASSESSMENT", some(subject().assessment, 1)),
        ("PLAN", f"{some(subject().plan, 2)} Start {drugs[0]}. Return on {back:%B %d, %Y}."),
    ]
    if kind[2] == "Progress note":
        sections = [section for section in sections if section[0] not in ("HISTORY", "MEDICATIONS")]
    return "\n\n".join(f"{heading}:\n{body}" for heading, body in sections)
