import pytest

from .builders import codes, facts, last_us, outcome, patient, us

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


def us_core(name: str, *categories: tuple[str, str]) -> dict[str, object]:
    parts = [{"url": url, "valueCoding": {"system": "s", "code": code}} for url, code in categories]
    return {"url": US_CORE + name, "extension": [*parts, {"url": "text", "valueString": "White"}]}


def test_demographics_are_static_and_birth_is_the_start_of_its_day() -> None:
    found = facts(
        patient(
            birthDate="1950-06-07",
            gender="female",
            extension=[
                us_core("race", ("ombCategory", "2106-3"), ("detailed", "2131-1")),
                us_core("ethnicity", ("ombCategory", "2186-5")),
                {"url": US_CORE + "birthsex", "valueCode": "F"},
            ],
            maritalStatus={"coding": [{"system": "x", "code": "M"}]},
        )
    )
    assert found == [
        (us("1950-06-07"), "MEDS_BIRTH", None, None, None, None),
        (None, "SEX//female", None, None, None, None),
        (None, "RACE//2106-3", None, None, None, ["RACE//2131-1"]),
        (None, "ETHNICITY//2186-5", None, None, None, None),
        (None, "BIRTHSEX//F", None, None, None, None),
        (None, "MARITAL_STATUS//M", None, None, None, None),
    ]


def test_birth_known_to_the_year_is_its_start() -> None:
    assert facts(patient(birthDate="1950"))[0][0] == us("1950-01-01")


def test_death_is_timed() -> None:
    assert facts(patient(deceasedDateTime="2020-03-01T08:00:00+01:00")) == [
        (us("2020-03-01T07:00:00"), "MEDS_DEATH", None, None, None, None)
    ]
    assert facts(patient(deceasedDateTime="2020-03-01"))[0][0] == last_us("2020-03-01")


def test_death_without_time_counts_from_the_update_and_is_never_static() -> None:
    updated = patient(deceasedBoolean=True, meta={"lastUpdated": "2020-03-01T08:00:00Z"})
    assert facts(updated) == [(us("2020-03-01T08:00:00"), "DECEASED//true", None, None, None, None)]
    assert codes(facts(patient(deceasedBoolean=True))) == ["PATIENT"]
    assert codes(facts(patient(deceasedBoolean=False))) == ["PATIENT"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"state": "MA", "postalCode": "02138-1234"}, ["STATE//MA", "ZIP3//021"]),
        ({"state": "MA", "postalCode": "02138", "country": "usa"}, ["STATE//MA", "ZIP3//021"]),
        ({"postalCode": "03601"}, ["ZIP3//000"]),  # too few people for three digits
        ({"state": "BE", "postalCode": "10115", "country": "DE"}, ["STATE//BE"]),
        ({"postalCode": "SW1A 1AA"}, ["PATIENT"]),
        ({"postalCode": "021"}, ["PATIENT"]),
        ({"city": "Boston", "line": ["1 Main St"]}, ["PATIENT"]),
        ({"use": "old", "state": "NY"}, ["PATIENT"]),
    ],
)
def test_address_is_reduced_to_state_and_zip3(
    address: dict[str, object], expected: list[str]
) -> None:
    assert codes(facts(patient(address=[address]))) == expected


def test_first_address_in_use_counts() -> None:
    addresses = [{"use": "old", "state": "NY"}, {"state": "MA"}, {"state": "CA"}]
    assert codes(facts(patient(address=addresses))) == ["STATE//MA"]


def test_marital_status_as_text() -> None:
    assert facts(patient(maritalStatus={"text": "widowed"})) == [
        (None, "MARITAL_STATUS//TEXT", None, "widowed", None, None)
    ]


def test_nothing_that_identifies_is_kept() -> None:
    found = outcome(
        patient(
            name=[{"family": "Doe", "given": ["Jane"]}],
            telecom=[{"value": "555-1234"}],
            address=[{"line": ["1 Main St"], "city": "Springfield", "state": "MA"}],
            identifier=[{"system": "ssn", "value": "999-99-9999"}],
            contact=[{"name": {"family": "Roe"}}],
            photo=[{"data": "AAAA"}],
            gender="male",
        )
    )
    assert found == [
        (None, "SEX//male", None, None, None, None),
        (None, "STATE//MA", None, None, None, None),
    ]


def test_unreadable_birth_date_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Patient\.birthDate: "):
        facts(patient(birthDate="7 June 1950"))
