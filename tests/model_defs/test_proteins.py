import numpy as np
import pytest

from model_defs._proteins import BITS, BYTES, LEVELS, Words, encode_protein, name_bits, word_bits
from tests.model_defs.cases_drug_target import KINASE, RECEPTOR
from transforms.molecules import AMINO_ACIDS, MAX_SEQUENCE

TINY = Words(("AC", "DE", "K"), (0, 1), 256)


def letters(text):
    return np.frombuffer(text.encode(), np.uint8)


def on(text, words=TINY):
    return set(np.flatnonzero(word_bits(letters(text), words)).tolist())


def levels(sequence):
    return np.frombuffer(encode_protein("k", sequence), np.uint8)[BITS // 8 :]


def test_every_protein_has_as_many_bytes():
    lengths = {
        len(encode_protein("k", s)) for s in ("MKKFFDSR", KINASE, "M" * MAX_SEQUENCE, "X" * 9)
    }
    assert lengths == {BYTES}
    assert BYTES == BITS // 8 + LEVELS


def test_a_word_is_a_bit_wherever_it_stands():
    assert len(on("AD")) == 1
    assert on("AD") == on("ADADAD") - on("DA")
    assert on("AD") < on("KADK")
    assert on("AKD") == on("AK") | on("KD")


def test_alike_amino_acids_are_one_letter():
    assert on("AD") == on("CE")
    assert on("AD") != on("DA")


def test_offsets_pass_over_what_stands_between():
    spaced = Words(("A", "D", "K"), (0, 2), 256)
    assert on("ADK", spaced) == on("AKK", spaced)
    assert on("ADK", spaced) != on("ADD", spaced)


@pytest.mark.parametrize("text", ["XX", "AX", "XD", "A", ""])
def test_words_that_cannot_be_read_are_left_out(text):
    assert on(text) == set()
    assert on("ADX" + text) == on("AD")


def test_rare_and_ambiguous_letters_stand_for_common_ones():
    assert encode_protein("k", "MKKFFDSRCKDEL") == encode_protein("k", "MKKFFDSRUOBZJ")


def test_bits_of_relatives_overlap():
    def shared(a, b):
        first, second = (
            np.unpackbits(np.frombuffer(encode_protein("k", s), np.uint8)[: BITS // 8])
            for s in (a, b)
        )
        return (first & second).sum() / (first | second).sum()

    mutant = KINASE[:20] + "W" + KINASE[21:]
    assert shared(KINASE, mutant) > 0.6 > 0.2 > shared(KINASE, RECEPTOR)
    assert encode_protein("k", mutant) != encode_protein("k", KINASE)


def test_levels_are_shares_and_length():
    found = levels("AAAAAAAAAC" * 2 + "GGGG" + "X" * 8)  # 32 letters, 24 of them amino acids
    expected = dict.fromkeys(AMINO_ACIDS, 0)
    expected |= {"A": 255, "C": round(255 * 2 / 24 / 0.2), "G": round(255 * 4 / 24 / 0.2)}
    assert found[:-1].tolist() == list(expected.values())
    assert found[-1] == round(255 * 5 / 16)


def test_the_name_tells_forms_of_one_sequence_apart():
    forms = {encode_protein(name, KINASE) for name in ("ABL1", "ABL1p", "ABL1(T315I)")}
    assert len(forms) == 3
    assert encode_protein("abl1", KINASE) == encode_protein("ABL1", KINASE)


def test_names_that_say_the_same_share_bits():
    def shared(a, b):
        return int((name_bits(a) & name_bits(b)).sum())

    assert shared("ABL1(T315I)", "ABL1(T315I)p") > shared("ABL1(T315I)", "ABL1") > 2
    assert shared("ABL1", "EGFR") == 0
    assert 1 <= name_bits("").sum() <= 5
    assert name_bits("ÄBL").any()
