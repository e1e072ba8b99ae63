"""What a model sees of a protein: words and composition of its sequence, its name, as short bytes.

`encode_protein` gives BYTES bytes: for each of WORDS the bits that say which words (runs of k
amino acids, in an alphabet of all or of alike ones) the sequence has, and such bits of the name,
packed; then a byte for the share of each amino acid, and one for the length. Related proteins
share words wherever they stand. What was done to a protein (phosphorylated, mutated, cut down to
a domain) is often told by its name alone: `ABL1(T315I)p`, with the sequence of the wild type.

References: Leslie et al. 2002, The spectrum kernel, https://doi.org/10.1142/9789812799623_0053;
Murphy et al. 2000, Simplified amino acid alphabets, https://doi.org/10.1093/protein/13.3.149.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
import xxhash

from transforms.molecules import AMINO_ACIDS

_STANDS_FOR = {"U": "C", "O": "K", "B": "D", "Z": "E", "J": "L"}  # X stands for none
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing
_GREATEST_SHARE = 0.2
_GREATEST_LOG_LENGTH = 16.0  # log2


@dataclasses.dataclass(frozen=True)
class Words:
    """Words of amino acids at these offsets from each place, as `bits` bits.

    `groups` are the letters of the alphabet, each the amino acids that it stands for.
    """

    groups: tuple[str, ...]
    offsets: tuple[int, ...]
    bits: int


_MURPHY_10 = ("LVIM", "C", "A", "G", "ST", "P", "FYW", "EDNQ", "KR", "H")
WORDS = (
    Words(tuple(AMINO_ACIDS), (0, 1, 2), 4096),
    Words(_MURPHY_10, (0, 1, 2, 3), 2048),
)
NAME_BITS = 512
SEGMENTS = (*(words.bits for words in WORDS), NAME_BITS)
BITS = sum(SEGMENTS)
LEVELS = len(AMINO_ACIDS) + 1
BYTES = BITS // 8 + LEVELS


def encode_protein(name: str, sequence: str) -> bytes:
    """A name and amino acids, one letter each, in either case -> BYTES bytes.

    >>> encode_protein("k", "MKKFFDSRREQ") == encode_protein("K", "mkkffdsrreq")
    True
    """
    letters = np.frombuffer(sequence.upper().encode("ascii"), np.uint8)
    bits = np.concatenate([*(word_bits(letters, words) for words in WORDS), name_bits(name)])
    codes = _codes(tuple(AMINO_ACIDS))[letters]
    counts = np.bincount(codes[codes >= 0], minlength=len(AMINO_ACIDS))
    shares = counts / max(counts.sum(), 1) / _GREATEST_SHARE
    levels = [*shares, np.log2(max(len(letters), 1)) / _GREATEST_LOG_LENGTH]
    return (
        np.packbits(bits).tobytes()
        + np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8).tobytes()
    )


def word_bits(letters: npt.NDArray[np.uint8], words: Words) -> npt.NDArray[np.bool_]:
    """ASCII letters (n,) -> bool (words.bits,): which words, hashed, stand in them.

    A word with a letter that stands for no amino acid is left out.
    """
    codes = _codes(words.groups)[letters]
    places = max(len(codes) - max(words.offsets), 0)
    columns = np.stack([codes[offset : offset + places] for offset in words.offsets])
    number = np.zeros(places, np.uint64)
    for column in columns:
        number = number * np.uint64(len(words.groups)) + column.astype(np.uint64)
    hashed = (number * _MULTIPLIER) >> np.uint64(32)
    bits = np.zeros(words.bits, np.bool_)
    bits[hashed[(columns >= 0).all(axis=0)] % np.uint64(words.bits)] = True
    return bits


def name_bits(name: str) -> npt.NDArray[np.bool_]:
    """A name -> bool (NAME_BITS,): its runs of three characters, and itself at four bits, hashed.

    >>> len(np.flatnonzero(name_bits("ABL1") & name_bits("abl1p"))) >= 3
    True
    """
    text = f"^{name.casefold()}$"
    runs = [text[place : place + 3] for place in range(len(text) - 2)]
    itself = [f"{text}{number}" for number in range(4)]
    bits = np.zeros(NAME_BITS, np.bool_)
    bits[[xxhash.xxh64_intdigest(run.encode()) % NAME_BITS for run in (*runs, *itself)]] = True
    return bits


def _codes(groups: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Groups of amino acids -> ASCII code of a letter to index of its group, -1 for none."""
    codes = np.full(256, -1)
    for index, group in enumerate(groups):
        codes[[ord(letter) for letter in group]] = index
    for letter, stands_for in _STANDS_FOR.items():
        codes[ord(letter)] = codes[ord(stands_for)]
    return codes
