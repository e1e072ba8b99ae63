import math

import pytest

from model_defs._pharmacogenes import read_diplotype, read_function


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
