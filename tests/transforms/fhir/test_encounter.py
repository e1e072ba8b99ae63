import pytest

from .builders import SNOMED, concept, encounter, facts, last_us, us

START, END = us("2020-03-01T08:00:00"), us("2020-03-04T12:00:00")


def test_stay_has_start_type_reason_end_and_disposition() -> None:
    found = facts(
        encounter(
            type=[concept(SNOMED, "32485007", ("http://x", "t"))],
            reasonCode=[concept(SNOMED, "22298006"), {"text": "fall"}],
            serviceType=concept("http://x", "cardio"),
            priority=concept("http://x", "EM"),
            hospitalization={
                "admitSource": concept("http://x", "emd"),
                "dischargeDisposition": concept("http://x", "home"),
            },
        )
    )
    types = ["SNOMED//32485007", "http://x//t"]
    assert found == [
        (START, "ENCOUNTER_START//IMP", None, None, None, types),
        (START, "SNOMED//32485007", None, None, None, ["http://x//t"]),
        (START, "ENCOUNTER_REASON//SNOMED//22298006", None, None, None, None),
        (START, "ENCOUNTER_REASON//TEXT", None, "fall", None, None),
        (START, "SERVICE_TYPE//http://x//cardio", None, None, None, None),
        (START, "ENCOUNTER_PRIORITY//http://x//EM", None, None, None, None),
        (START, "ADMIT_SOURCE//http://x//emd", None, None, None, None),
        (END, "ENCOUNTER_END//IMP", None, None, None, types),
        (END, "DISCHARGE_DISPOSITION//home", None, None, None, ["http://x//home"]),
    ]


def test_open_stay_has_no_end_and_no_disposition() -> None:
    stay = encounter(
        period={"start": "2020-03-01"},
        hospitalization={"dischargeDisposition": concept("http://x", "home")},
    )
    assert facts(stay) == [(last_us("2020-03-01"), "ENCOUNTER_START//IMP", None, None, None, None)]


def test_stay_without_start_is_known_at_its_end() -> None:
    stay = encounter(period={"end": "2020-03-04T12:00:00Z"}, type=[{"text": "check-up"}])
    assert facts(stay) == [
        (END, "Encounter//TEXT", None, "check-up", None, None),
        (END, "ENCOUNTER_END//IMP", None, None, None, None),
    ]


def test_stay_without_period_leaves_its_time_open() -> None:
    stay = encounter(type=[concept(SNOMED, "1")])
    del stay["period"]
    assert facts(stay) == [
        (None, "ENCOUNTER//IMP", None, None, None, ["SNOMED//1"]),
        (None, "SNOMED//1", None, None, None, None),
    ]


def test_disposition_as_text_and_class_without_code() -> None:
    stay = encounter(hospitalization={"dischargeDisposition": {"text": "home"}})
    stay["class"] = {"display": "inpatient"}
    found = facts(stay)
    assert found[0][1] == "ENCOUNTER_START//UNKNOWN"
    assert found[2] == (END, "DISCHARGE_DISPOSITION//TEXT", None, "home", None, None)


def test_end_before_start_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Encounter\.period: "):
        facts(encounter(period={"start": "2020-03-05", "end": "2020-03-04"}))
