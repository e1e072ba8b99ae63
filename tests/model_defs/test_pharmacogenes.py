import math

import polars as pl
import pytest

from model_defs._pharmacogenes import (
    SITES,
    impute_promoter,
    read_diplotype,
    read_function,
    turn_strand,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CYP2C19*2/*1", "*1/*2"),
        ("*3/*11", "*3/*11"),
        ("TPMT *1 / *3A", "*1/*3A"),
        ("G/A", "A/G"),
        ("rs9923231 C/T", "C/T"),
        ("A|G", "A/G"),
        ("Positive", ""),
        ("A/B", ""),
        ("", ""),
    ],
)
def test_diplotypes_are_read(text, expected):
    assert read_diplotype(text) == expected


@pytest.mark.parametrize(
    ("gene", "text", "expected"),
    [
        ("CYP2C19", "*1/*1", 2),
        ("CYP2C19", "*1/*2", 1),
        ("CYP2C19", "*2/*17", 1),
        ("CYP2C19", "*2/*3", 0),
        ("CYP2C19", "*1/*17", 3),
        ("CYP2C19", "*17/*17", 4),
        ("CYP2C9", "*1/*2", 1),
        ("CYP2C9", "*2/*2", 1),
        ("CYP2C9", "*2/*3", 0),
        ("CYP2C9", "*3/*3", 0),
        ("VKORC1", "A/A", 0),
        ("VKORC1", "A/G", 1),
        ("VKORC1", "C/C", 2),
        ("CYP2D6", "Ultrarapid metabolizer", 4),
        ("CYP2D6", "CYP2D6 Ultra-rapid metaboliser", 4),
        ("CYP2D6", "Rapid metabolizer", 3),
        ("CYP2D6", "Extensive metabolizer", 2),
        ("CYP2D6", "Intermediate metabolizer", 1),
        ("CYP2D6", "LOINC//LA9657-3", 0),
    ],
)
def test_functions_are_read_from_words_answers_and_alleles(gene, text, expected):
    assert read_function(gene, text) == expected


@pytest.mark.parametrize(("gene", "text"), [("CYP2C19", "*1/*99"), ("UGT1A1", "*1/*28"), ("", "")])
def test_what_is_not_known_gives_no_function(gene, text):
    assert math.isnan(read_function(gene, text))


@pytest.mark.parametrize(
    ("site", "text", "expected"),
    [
        ("rs9923231", "A/G", "A/G"),
        ("rs9923231", "C/T", "A/G"),
        ("rs9923231", "C/C", "G/G"),
        ("rs9934438", "A/G", "C/T"),
        ("rs9934438", "G/G", "C/C"),
        ("rs8050894", "C/G", "C/G"),
        ("rs2884737", "A/C", "G/T"),
        ("rs7294", "", ""),
    ],
)
def test_sites_are_turned_to_one_strand(site, text, expected):
    assert turn_strand(site, text) == expected


WHITE, BLACK, ASIAN = "2106-3", "2054-5", "2028-9"


@pytest.mark.parametrize(
    ("sites", "race", "expected"),
    [
        ({"rs9923231": "G/G", "rs9934438": "T/T"}, WHITE, "G/G"),
        ({"rs2359612": "C/C", "rs9934438": "T/T"}, WHITE, "G/G"),
        ({"rs2359612": "T/T"}, ASIAN, "A/A"),
        ({"rs2359612": "T/T"}, BLACK, None),
        ({"rs2359612": "T/T"}, None, None),
        ({"rs2359612": "T/T", "rs9934438": "C/T"}, BLACK, "A/G"),
        ({"rs9934438": "C/C"}, None, "G/G"),
        ({"rs2359612": "C/T"}, WHITE, "A/G"),
        ({"rs8050894": "C/C"}, WHITE, "A/A"),
        ({"rs8050894": "G/G"}, ASIAN, "G/G"),
        ({"rs8050894": "C/G"}, BLACK, None),
        ({"rs7294": "A/A", "rs2884737": "G/G"}, WHITE, None),
    ],
)
def test_the_promoter_is_imputed_as_iwpc_did(sites, race, expected):
    frame = pl.DataFrame({s: [sites.get(s)] for s in SITES}, schema=dict.fromkeys(SITES, pl.String))
    race = pl.Series([race], dtype=pl.String)

    assert impute_promoter(frame, race).to_list() == [expected]
