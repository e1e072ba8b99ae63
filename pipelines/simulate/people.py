"""Made-up people: identities, demographics and what they suffer from."""

import dataclasses
import datetime

import numpy as np

from pipelines.simulate.resources import ICD10CM, SNOMED, Code, Resource, instant, new_id

MRN_SYSTEM = "http://hospital.example/mrn"
_SSN_SYSTEM = "http://hl7.org/fhir/sid/us-ssn"
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_OMB = "urn:oid:2.16.840.1.113883.6.238"

FAMILY_NAMES = (
    *("Quillfeather", "Brambleholt", "Oakenmarsh", "Fennimoor", "Tarnwick", "Hollowmere"),
    *("Larkspurne", "Wyndelby", "Cobblestane", "Ravensloe", "Thistlecot", "Marrowgate"),
    *("Emberlyn", "Saltmarren", "Duskwater", "Pellingrove"),
)
GIVEN_NAMES = (
    *("Aurelindo", "Brisotta", "Calvenna", "Dorimund", "Elspetha", "Faramondo", "Gwendrin"),
    *("Hollianne", "Isoldric", "Jorvina", "Kestrelle", "Lucander", "Mirabeth", "Norwenna"),
)
STREETS = ("Gallowglass Lane", "Pennywhistle Road", "Old Foundry Walk", "Candlewick Close")
_RACES = (
    ("2106-3", "White", 0.62),
    ("2054-5", "Black or African American", 0.2),
    ("2028-9", "Asian", 0.12),
    ("1002-5", "American Indian or Alaska Native", 0.06),
)
_STATES = (("MA", "021"), ("MA", "016"), ("NH", "031"), ("RI", "029"))

HEART_FAILURE = "heart_failure"
COPD = "copd"
KIDNEY_DISEASE = "kidney_disease"
CANCER = "cancer"
CHRONIC: dict[str, tuple[Code, ...]] = {
    HEART_FAILURE: (
        (ICD10CM, "I50.9", "Heart failure, unspecified"),
        (SNOMED, "88805009", "Chronic congestive heart failure"),
    ),
    COPD: (
        (SNOMED, "13645005", "Chronic obstructive lung disease"),
        (ICD10CM, "J44.9", "Chronic obstructive pulmonary disease, unspecified"),
    ),
    KIDNEY_DISEASE: (
        (ICD10CM, "N18.4", "Chronic kidney disease, stage 4"),
        (SNOMED, "431857002", "Chronic kidney disease stage 4"),
    ),
    CANCER: ((ICD10CM, "C34.90", "Malignant neoplasm of bronchus or lung"),),
    "diabetes": ((SNOMED, "44054006", "Diabetes mellitus type 2"),),
    "hypertension": ((SNOMED, "38341003", "Hypertensive disorder"),),
}
_PREVALENCE = {
    HEART_FAILURE: 0.28,
    COPD: 0.22,
    KIDNEY_DISEASE: 0.18,
    CANCER: 0.1,
    "diabetes": 0.25,
    "hypertension": 0.45,
}


@dataclasses.dataclass
class Person:
    """One patient: the FHIR resource, and what the rest of the simulation depends on.

    `age` in years when the history begins; `chronic` keys of CHRONIC; `died` UTC, set by the
    stay that ends in death.
    """

    patient: Resource
    mrn: str
    age: float
    sex: str
    chronic: frozenset[str]
    family: str
    given: str
    died: datetime.datetime | None = None

    @property
    def identities(self) -> tuple[str, ...]:
        """Every text that names this person in the files."""
        address = self.patient["address"][0]
        values = [identifier["value"] for identifier in self.patient["identifier"]]
        phone = self.patient["telecom"][0]["value"]
        return (self.family, self.given, self.patient["id"], phone, address["line"][0], *values)

    def die(self, time: datetime.datetime) -> None:
        """Record the death, here and in the Patient resource."""
        self.died = time
        self.patient["deceasedDateTime"] = instant(time)


def _coded_extension(kind: str, code: str, display: str) -> dict[str, object]:
    coding = {"system": _OMB, "code": code, "display": display}
    return {
        "url": _US_CORE + kind,
        "extension": [
            {"url": "ombCategory", "valueCoding": coding},
            {"url": "text", "valueString": display},
        ],
    }


def make_person(rng: np.random.Generator, index: int, begin: datetime.datetime) -> Person:
    """A made-up patient; `index` keeps identifiers unique, `begin` is when the history begins."""
    family = FAMILY_NAMES[rng.integers(len(FAMILY_NAMES))]
    given = GIVEN_NAMES[rng.integers(len(GIVEN_NAMES))] + str(index)
    female = rng.random() < 0.5
    age = float(np.clip(rng.normal(66, 14), 21, 93))
    born = (begin - datetime.timedelta(days=age * 365.25)).date()
    race_code, race, _ = _RACES[rng.choice(len(_RACES), p=[share for *_, share in _RACES])]
    hispanic = rng.random() < 0.15
    state, zip3 = _STATES[rng.integers(len(_STATES))]
    mrn = f"MRN{7_300_000 + index * 17}"
    ssn = f"999-{10 + index // 9000:02d}-{1000 + index % 9000:04d}"
    older = 0.6 + 0.4 * (age - 40) / 40
    chronic = frozenset(
        name for name, share in _PREVALENCE.items() if rng.random() < share * max(older, 0.1)
    )
    patient: Resource = {
        "resourceType": "Patient",
        "id": new_id(rng),
        "meta": {"versionId": "1", "lastUpdated": instant(begin)},
        "extension": [
            _coded_extension("race", race_code, race),
            _coded_extension(
                "ethnicity",
                "2135-2" if hispanic else "2186-5",
                "Hispanic or Latino" if hispanic else "Not Hispanic or Latino",
            ),
            {"url": _US_CORE + "birthsex", "valueCode": "F" if female else "M"},
        ],
        "identifier": [
            {"system": MRN_SYSTEM, "value": mrn},
            {"system": _SSN_SYSTEM, "value": ssn},
        ],
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [{"system": "phone", "value": f"555-01{index % 100:02d}-{index:05d}"}],
        "gender": "female" if female else "male",
        "birthDate": born.isoformat(),
        "address": [
            {
                "line": [f"{100 + index} {STREETS[rng.integers(len(STREETS))]}"],
                "city": "Millbrook",
                "state": state,
                "postalCode": f"{zip3}{int(rng.integers(10, 99))}",
                "country": "US",
            }
        ],
        "maritalStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
                    "code": str(rng.choice(["M", "S", "W", "D"])),
                }
            ]
        },
    }
    return Person(patient, mrn, age, "F" if female else "M", chronic, family, given)
