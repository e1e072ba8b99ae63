"""What a model sees of a compound: fingerprints and descriptors of its SMILES as short bytes.

`encode_compound` gives BYTES bytes: the bits of the FINGERPRINTS, packed, then one byte for each
of DESCRIPTORS. Two ways to write the same compound give the same bytes, whatever the order of
atoms.

References: Rogers & Hahn 2010, Extended-connectivity fingerprints,
https://doi.org/10.1021/ci100050t; RDKit, https://www.rdkit.org/docs/GettingStartedInPython.html.
"""

import numpy as np

FINGERPRINTS = {"ecfp4": 1024, "fcfp4": 512, "atom_pairs": 512}  # bits of each
DESCRIPTORS = {  # RDKit's descriptor: its range, by which it becomes 0 to 255
    "MolWt": (0, 1000),  # g/mol
    "MolLogP": (-5, 10),  # Crippen's log P
    "TPSA": (0, 250),  # square angstrom
    "NumHDonors": (0, 10),
    "NumHAcceptors": (0, 20),
    "NumRotatableBonds": (0, 20),
    "RingCount": (0, 10),
    "NumAromaticRings": (0, 8),
    "FractionCSP3": (0, 1),
    "HeavyAtomCount": (0, 80),
    "NHOHCount": (0, 10),
    "NumHeteroatoms": (0, 20),
    "NumSaturatedRings": (0, 6),
    "BertzCT": (0, 2500),
    "LabuteASA": (0, 400),  # square angstrom
    "MolMR": (0, 250),  # Crippen's molar refractivity
}
SEGMENTS = tuple(FINGERPRINTS.values())
BITS = sum(SEGMENTS)
LEVELS = len(DESCRIPTORS)
BYTES = BITS // 8 + LEVELS


def encode_compound(smiles: str) -> bytes | None:
    """SMILES -> BYTES bytes; None where RDKit cannot read it.

    >>> encode_compound("OCC") == encode_compound("CCO")
    True
    >>> encode_compound("C1CC") is None
    True
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import Descriptors
    from rdkit.Chem.rdFingerprintGenerator import (
        GetAtomPairGenerator,
        GetMorganFeatureAtomInvGen,
        GetMorganGenerator,
    )

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        return None
    features = GetMorganFeatureAtomInvGen()
    made_by = {
        "ecfp4": GetMorganGenerator(radius=2, fpSize=FINGERPRINTS["ecfp4"], includeChirality=True),
        "fcfp4": GetMorganGenerator(
            radius=2, fpSize=FINGERPRINTS["fcfp4"], atomInvariantsGenerator=features
        ),
        "atom_pairs": GetAtomPairGenerator(fpSize=FINGERPRINTS["atom_pairs"]),
    }
    bits = [made_by[name].GetFingerprintAsNumPy(molecule) for name in FINGERPRINTS]
    levels = [
        _level(float(getattr(Descriptors, name)(molecule)), *limits)
        for name, limits in DESCRIPTORS.items()
    ]
    return np.packbits(np.concatenate(bits)).tobytes() + bytes(levels)


def _level(value: float, low: float, high: float) -> int:
    """A number -> 0 to 255, its place between the limits.

    >>> _level(500, 0, 1000), _level(2000, 0, 1000)
    (128, 255)
    """
    share = (value - low) / (high - low)
    return round(255 * min(max(share if share == share else 0.0, 0.0), 1.0))
