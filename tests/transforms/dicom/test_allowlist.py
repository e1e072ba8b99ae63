from pydicom.datadict import dictionary_VR, tag_for_keyword

from transforms import schemas
from transforms.dicom.allowlist import ATTRIBUTES, FULL_DATES, TAG


def test_tags_are_those_of_the_dictionary() -> None:
    for attribute in ATTRIBUTES:
        assert attribute.tag == tag_for_keyword(attribute.keyword)
        assert TAG[attribute.keyword] == attribute.tag


def test_columns_are_those_of_the_table() -> None:
    assert {attribute.column for attribute in ATTRIBUTES} - {""} <= set(schemas.IMAGES.names)


def test_whatever_the_profile_removes_says_why_it_is_read() -> None:
    for attribute in ATTRIBUTES:
        assert bool(attribute.action) == bool(attribute.kept), attribute.keyword


def test_dates_and_times_are_kept_as_full_dates() -> None:
    for attribute in ATTRIBUTES:
        if dictionary_VR(attribute.tag) in ("DA", "TM", "DT"):
            assert (attribute.column, attribute.kept) == ("time", FULL_DATES)


def test_no_name_and_no_free_text_is_read() -> None:
    kinds = {dictionary_VR(attribute.tag) for attribute in ATTRIBUTES}
    assert not kinds & {"PN", "LT", "ST", "UT", "UC", "UN"}
    texts = {line.keyword for line in ATTRIBUTES if dictionary_VR(line.tag) in ("LO", "SH")}
    assert texts == {"PatientID", "IssuerOfPatientID", "TimezoneOffsetFromUTC"}
