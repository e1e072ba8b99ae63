import polars as pl
import pytest

from model_defs._code_groups import (
    CHARLSON,
    CHARLSON_WEIGHTS,
    DIAGNOSIS_GROUPS,
    DRUGS,
    codes_of,
    match_codes,
)
from model_defs._stay_features import group_diagnoses


def groups_of(code, groups=CHARLSON):
    return sorted(match_codes(pl.Series([code]), groups)["group"])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ICD10CM//I50.22", ["heart_failure"]),
        ("ICD10//I509", ["heart_failure"]),
        ("ICD10GM//I50.9", ["heart_failure"]),
        ("ICD9CM//428", ["heart_failure"]),
        ("ICD9CM//425.3", []),
        ("ICD9CM//425.4", ["heart_failure"]),
        ("ICD10CM//E11.65", ["diabetes"]),
        ("ICD10CM//E11.22", ["diabetes_complicated"]),
        ("ICD10CM//C44.9", []),
        ("ICD10CM//C78.0", ["metastatic_cancer"]),
        ("SNOMED//88805009", ["heart_failure"]),
        ("SNOMED//888050091", []),
        ("ICD10PCS//I5000ZZ", []),
        ("LOINC//I50", []),
    ],
)
def test_codes_fall_in_their_groups(code, expected):
    assert groups_of(code) == expected


def test_there_are_the_17_groups_of_quan_and_every_weight_has_its_group():
    assert len(CHARLSON) == 17
    assert set(CHARLSON_WEIGHTS) < set(CHARLSON)


def test_drugs_are_matched_by_atc_class_and_by_rxnorm_code():
    assert groups_of("ATC//A10AB01", DRUGS) == ["insulin"]
    assert groups_of("RXNORM//703", DRUGS) == ["amiodarone"]
    assert groups_of("RXNORM//7030", DRUGS) == []


def test_ranges_keep_leading_zeros():
    assert codes_of(icd9="098-101") == ("ICD9//098", "ICD9//099", "ICD9//100", "ICD9//101")


@pytest.mark.parametrize(
    ("code", "group", "category"),
    [
        ("ICD9CM//250.83", "diabetes", "ICD9CM//250"),
        ("ICD9CM//251", "endocrine", "ICD9CM//251"),
        ("ICD9CM//V57.89", "factors", "ICD9CM//V57"),
        ("ICD9CM//E909.1", "other", "ICD9CM//E909"),
        ("ICD9CM//786.5", "respiratory", "ICD9CM//786"),
        ("ICD10CM//E11.9", "diabetes", "ICD10CM//E11"),
        ("ICD10CM//E78", "endocrine", "ICD10CM//E78"),
        ("ICD10CM//I509", "circulatory", "ICD10CM//I50"),
        ("ICD10CM//D64.9", "blood", "ICD10CM//D64"),
        ("SNOMED//74400008", "digestive", "SNOMED//74400008"),
        ("SNOMED//1", "other", "SNOMED//1"),
    ],
)
def test_a_diagnosis_has_the_nearest_group_and_its_category(code, group, category):
    assert group_diagnoses(pl.Series([code])).row(0) == (code, group, category)


def test_groups_of_diagnoses_are_found_in_both_revisions():
    for name, patterns in DIAGNOSIS_GROUPS.items():
        systems = {pattern.partition("//")[0] for pattern in patterns}
        assert systems >= {"ICD9", "ICD10"}, name
