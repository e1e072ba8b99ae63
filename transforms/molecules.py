"""Whether a text is a compound (SMILES) or a target (amino-acid sequence) that can be read.

Sources: OpenSMILES, http://opensmiles.org/opensmiles.html, as RDKit reads it;
IUPAC-IUB 1983, one-letter symbols of amino acids, https://doi.org/10.1111/j.1432-1033.1984.tb07877.x
"""

import re

MAX_SMILES = 4_000
MIN_SEQUENCE = 8
MAX_SEQUENCE = 40_000  # titin, the longest human protein, has some 36,000
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
RARE_AMINO_ACIDS = "UO"  # selenocysteine, pyrrolysine
AMBIGUOUS_AMINO_ACIDS = "BZJX"  # D or N, E or Q, I or L, any
_LETTERS = re.compile(
    f"[{AMINO_ACIDS}{RARE_AMINO_ACIDS}{AMBIGUOUS_AMINO_ACIDS}]+", re.ASCII | re.IGNORECASE
)
_NUCLEOTIDES = re.compile("[ACGTUN]{20,}", re.ASCII | re.IGNORECASE)
_NOT_PRINTED = re.compile("[^!-~]")


def check_smiles(text: str) -> str | None:
    """SMILES -> why it is refused; None where RDKit reads it as a compound.

    What it says holds nothing of the text. RDKit's own notes on standard error are kept back.

    >>> check_smiles("CC(=O)Oc1ccccc1C(=O)O")
    >>> check_smiles("C1CC")
    'RDKit cannot read the SMILES'
    """
    from rdkit import Chem, rdBase

    if not text:
        return "the SMILES is empty"
    if len(text) > MAX_SMILES:
        return f"the SMILES is longer than {MAX_SMILES} characters"
    if _NOT_PRINTED.search(text):
        return "the SMILES has white space or characters outside ASCII"
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(text)
    if molecule is None:
        return "RDKit cannot read the SMILES"
    if molecule.GetNumAtoms() == 0:
        return "the SMILES has no atoms"
    if any(atom.GetAtomicNum() == 0 for atom in molecule.GetAtoms()):
        return "the SMILES has a wildcard in place of an atom"
    return None


def check_sequence(text: str) -> str | None:
    """Sequence of a protein -> why it is refused; None where it can be read.

    Letters of IUPAC in either case, MIN_SEQUENCE to MAX_SEQUENCE of them. What it says holds
    nothing of the text.

    >>> check_sequence("MKKFFDSRREQGGSGLGSGSSGGGGSTSG")
    >>> check_sequence("MKKFFDSRR3")
    'the sequence has characters that are no amino acids of IUPAC'
    """
    if len(text) < MIN_SEQUENCE:
        return f"the sequence has fewer than {MIN_SEQUENCE} amino acids"
    if len(text) > MAX_SEQUENCE:
        return f"the sequence has more than {MAX_SEQUENCE} amino acids"
    if not _LETTERS.fullmatch(text):
        return "the sequence has characters that are no amino acids of IUPAC"
    if _NUCLEOTIDES.fullmatch(text):
        return "the sequence is one of nucleotides, not of amino acids"
    return None
