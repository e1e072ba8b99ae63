"""Decoded pixels of compressed files against the uncompressed reference of the same image.

    python -m bench.dicom_fidelity FOLDER [-o out.json]

FOLDER holds the NEMA WG04 set: subfolders named after the compression with files
`<image>_<compression>`, and `REF` with `<image>_UNC`. Compared are stored values, as the
product's own decoder gives them before any LUT, in the colour space of the reference (RGB).
Lossless syntaxes must differ by 0.
"""

import argparse
import collections
import json
from pathlib import Path

import numpy as np

from transforms.dicom.pixels import decode_stored
from transforms.errors import InputError


def decoded(path: Path) -> tuple[np.ndarray, str] | None:
    with path.open("rb") as file:
        try:
            return decode_stored(file)
        except InputError:
            return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    references = {path.name.removesuffix("_UNC"): path for path in arguments.folder.rglob("*_UNC")}
    results: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    largest: dict[str, int] = collections.defaultdict(int)
    largest_share: dict[str, float] = collections.defaultdict(float)
    for path in sorted(arguments.folder.rglob("*_*")):
        image, _, compression = path.name.rpartition("_")
        if not path.is_file() or compression not in COMPRESSIONS:
            continue
        row = results[compression]
        row["files"] += 1
        found = decoded(path)
        if found is None:
            row["refused"] += 1
            continue
        row["decoded"] += 1
        if image not in references:
            row["without_reference"] += 1
            continue
        reference = decoded(references[image])
        if reference is None or reference[0].shape != found[0].shape:
            row["other_shape"] += 1
            continue
        row["compared"] += 1
        difference = np.abs(found[0].astype(np.int64) - reference[0].astype(np.int64)).max()
        row["equal"] += int(difference == 0)
        largest[compression] = max(largest[compression], int(difference))
        share = float(difference) / float(np.ptp(reference[0].astype(np.int64)))
        largest_share[compression] = max(largest_share[compression], round(share, 4))
    rows = [
        {
            "compression": name,
            "meaning": COMPRESSIONS[name],
            **{key: results[name][key] for key in COUNTS},
            "largest_difference": largest.get(name),
            "of_the_range": largest_share.get(name),
        }
        for name in COMPRESSIONS
        if name in results
    ]
    columns = ("compression", *COUNTS, "largest_difference", "of_the_range")
    print("".join(f"{key:>19}" for key in columns))
    for row in rows:
        print("".join(f"{row[key]!s:>19}" for key in columns))
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2) + "\n")


COMPRESSIONS = {
    "UNC": "uncompressed",
    "RLE": "RLE, lossless",
    "JPLL": "JPEG lossless",
    "JLSL": "JPEG-LS lossless",
    "J2KR": "JPEG 2000 reversible",
    "JLSN": "JPEG-LS near-lossless",
    "J2KI": "JPEG 2000 irreversible",
    "JPLY": "JPEG lossy, 8 or 12 bits",
}
COUNTS = (
    "files",
    "decoded",
    "refused",
    "without_reference",
    "other_shape",
    "compared",
    "equal",
)

if __name__ == "__main__":
    main()
