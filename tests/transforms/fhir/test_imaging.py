from typing import Any

from .builders import KEYS, PATIENT, SNOMED, concept, facts, read, us

TIME = us("2020-03-01T08:00:00")
UID = "1.2.840.99999999.99720043"
DCM = "http://dicom.nema.org/resources/ontology/DCM"


def study(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "ImagingStudy",
        "id": "i1",
        "status": "available",
        "subject": PATIENT,
        "started": "2020-03-01T08:00:00Z",
        "identifier": [
            {"system": "http://hospital.org/accession", "value": "77"},
            {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"},
        ],
        **elements,
    }


def test_study_has_one_fact_per_modality() -> None:
    found = facts(
        study(
            modality=[{"system": DCM, "code": "CT"}],
            procedureCode=[concept("http://x", "chest")],
            reasonCode=[concept("http://x", "cough")],
            series=[
                {
                    "uid": "1.2",
                    "modality": {"code": "CT"},
                    "bodySite": {"system": SNOMED, "code": "51185008"},
                },
                {
                    "uid": "1.3",
                    "modality": {"code": "SR"},
                    "bodySite": {"system": SNOMED, "code": "51185008"},
                },
            ],
        )
    )
    further = ["http://x//chest", "http://x//cough", "SNOMED//51185008"]
    assert found == [
        (TIME, "IMAGING_STUDY//CT", None, None, None, further),
        (TIME, "IMAGING_STUDY//SR", None, None, None, further),
    ]
    assert [fact[1] for fact in facts(study())] == ["IMAGING_STUDY//UNKNOWN"]


def test_study_links_its_uid_to_the_patient_and_keeps_no_uid() -> None:
    rows = read(study())
    subject = KEYS.subject_id("p1")
    assert rows.links == [(KEYS.study_link(UID), "study", subject, None, None, None, None, 9, 0)]
    assert UID not in str(rows.events)


def test_uid_in_every_form_is_the_same_link() -> None:
    for identifier in (
        {"system": "urn:dicom:uid", "value": UID},
        {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{UID}"},
    ):
        assert read(study(identifier=[identifier])).links[0][0] == KEYS.study_link(UID)
    assert read(study(identifier=[])).links == []
