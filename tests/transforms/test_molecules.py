import pytest

from transforms.molecules import MAX_SEQUENCE, MAX_SMILES, check_sequence, check_smiles


@pytest.mark.parametrize(
    "text",
    [
        "C",
        "[Na+].[Cl-]",
        "CC(=O)Oc1ccccc1C(=O)O",
        "C[C@H](N)C(=O)O",
        "C/C=C/C",
        "CC1=CC2=C(C=C1)N=C(C3=NC=C(N23)C)NCCN.Cl",
    ],
)
def test_compounds_are_read(text):
    assert check_smiles(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("not a smiles", "white space"),
        ("CCO\n", "white space"),
        ("CÖC", "outside ASCII"),
        ("hello", "cannot read"),
        ("C1CC", "cannot read"),
        ("c1cccc1", "cannot read"),  # cannot be aromatic
        ("C(C)(C)(C)(C)C", "cannot read"),  # five bonds
        ("*CC", "wildcard"),
        ("C" * (MAX_SMILES + 1), "longer than"),
    ],
)
def test_what_is_no_compound_is_refused(text, reason, capfd):
    assert reason in check_smiles(text)
    assert capfd.readouterr() == ("", "")  # RDKit would tell, and quote the text


@pytest.mark.parametrize("text", ["MKKFFDSRREQ", "mkkffdsrreq", "MUXBZJOACD", "ACGTACGTMW" * 5])
def test_sequences_are_read(text):
    assert check_sequence(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "fewer than"),
        ("MKV", "fewer than"),
        ("A" * (MAX_SEQUENCE + 1), "more than"),
        ("MKKFFDSRR EQ", "no amino acids"),
        ("MKKFFDSRREQ*", "no amino acids"),
        ("MKKFFDSRR1EQ", "no amino acids"),
        ("MKKFFDSRÉEQ", "no amino acids"),
        ("MKKFFD\u017fRREQ", "no amino acids"),  # a long s, equal to S where case is ignored
        ("ACGTACGTACGTACGTACGTN", "nucleotides"),
        ("acguacguacguacguacgun", "nucleotides"),
    ],
)
def test_what_is_no_sequence_is_refused(text, reason):
    assert reason in check_sequence(text)
