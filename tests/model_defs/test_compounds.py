import numpy as np
import pytest

from model_defs._compounds import BITS, BYTES, DESCRIPTORS, FINGERPRINTS, LEVELS, encode_compound
from tests.model_defs.cases_drug_target import ASPIRIN, CAFFEINE


def parts(smiles):
    """-> bits by fingerprint, levels by descriptor."""
    encoded = np.frombuffer(encode_compound(smiles), np.uint8)
    bits = np.unpackbits(encoded[: BITS // 8])
    ends = np.cumsum(list(FINGERPRINTS.values()))[:-1]
    found = dict(zip(FINGERPRINTS, np.split(bits, ends), strict=True))
    return found, dict(zip(DESCRIPTORS, encoded[BITS // 8 :].tolist(), strict=True))


def test_every_compound_has_as_many_bytes():
    assert {
        len(encode_compound(smiles)) for smiles in ("C", "[Na+].[Cl-]", ASPIRIN, "C" * 300)
    } == {BYTES}
    assert BITS % 8 == 0
    assert BYTES == BITS // 8 + LEVELS


def test_the_bits_are_those_of_rdkit():
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    bits, _ = parts(ASPIRIN)
    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=2, fpSize=FINGERPRINTS["ecfp4"], includeChirality=True
    )
    expected = generator.GetFingerprint(Chem.MolFromSmiles(ASPIRIN))
    assert np.flatnonzero(bits["ecfp4"]).tolist() == list(expected.GetOnBits())
    assert all(found.any() for found in bits.values())


def test_descriptors_are_levels_of_their_range():
    _, levels = parts(ASPIRIN)
    assert levels["MolWt"] == round(255 * 180.159 / 1000)
    assert levels["NumHDonors"] == round(255 * 1 / 10)
    assert levels["RingCount"] == round(255 * 1 / 10)
    assert levels["FractionCSP3"] == round(255 * 1 / 9)
    assert parts("C" * 300)[1]["MolWt"] == 255  # beyond the range


def test_spellings_of_a_compound_are_one():
    assert encode_compound("Cn1c(=O)c2c(ncn2C)n(C)c1=O") == encode_compound(CAFFEINE)
    assert encode_compound(ASPIRIN) != encode_compound(CAFFEINE)


def test_mirror_images_are_two_compounds():
    assert encode_compound("C[C@H](N)C(=O)O") != encode_compound("C[C@@H](N)C(=O)O")


@pytest.mark.parametrize("text", ["C1CC", "hello", "c1cccc1"])
def test_what_cannot_be_read_has_no_bytes(text, capfd):
    assert encode_compound(text) is None
    assert capfd.readouterr() == ("", "")
