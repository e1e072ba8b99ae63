"""DICOM files to tensors against a bare pydicom loop over the same files.

    python -m bench.dicom_decode FOLDER [-o out.json] [--size 224] [--rounds 5]

Both sides start from the open file: `read_frames` (header, decoding, LUTs, window,
resampling) and `pydicom.dcmread(file).pixel_array`. They take turns in one process, file by
file, so that noise of the machine falls on both. Files that either refuses are left out and
counted. All frames are decoded on both sides.
"""

import argparse
import collections
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import BinaryIO

import pydicom

from transforms.dicom.header import index_row
from transforms.dicom.pixels import read_frames
from transforms.dicom.reading import Skipped
from transforms.errors import InputError
from transforms.keys import Keys

ALL_FRAMES = 2**31


def bare(file: BinaryIO) -> str:
    dataset = pydicom.dcmread(file)
    return f"{dataset.pixel_array.dtype} {dataset.file_meta.TransferSyntaxUID.name}"


def decodable(folder: Path, size: int) -> tuple[dict[Path, str], int]:
    """Files that both sides read, with their transfer syntax, and how many they do not."""
    found, refused = {}, 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            try:
                read_frames(file, size=size, max_frames=ALL_FRAMES)
                file.seek(0)
                found[path] = bare(file).split(" ", 1)[1]
            except (InputError, Skipped, AttributeError, RuntimeError, ValueError):
                refused += 1
    return found, refused


def seconds(function, path: Path) -> float:
    start = time.perf_counter()
    with path.open("rb") as file:
        function(file)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of the bare loop
    files, refused = decodable(arguments.folder, arguments.size)
    keys = Keys(b"a key for the bench")
    sides = {
        "tensor": lambda file: read_frames(file, size=arguments.size, max_frames=ALL_FRAMES),
        "pixel_array": bare,
        "header": lambda file: index_row(file, keys=keys, source_id=0, position=0),
    }
    by_syntax: dict[str, dict[str, float]] = collections.defaultdict(collections.Counter)
    for path, syntax in files.items():
        times = {side: [] for side in sides}
        for turn in range(arguments.rounds):
            order = list(sides) if turn % 2 else list(reversed(sides))
            for side in order:
                times[side].append(seconds(sides[side], path))
        for side in sides:
            by_syntax[syntax][side] += statistics.median(times[side])
        by_syntax[syntax]["files"] += 1
    total = collections.Counter()
    for row in by_syntax.values():
        total.update(row)
    rows = []
    for syntax, row in [*sorted(by_syntax.items()), ("all", total)]:
        files_per_s = {side: row["files"] / row[side] for side in sides}
        rows.append(
            {
                "transfer_syntax": syntax,
                "files": int(row["files"]),
                **{f"{side}_files_per_s": round(value, 1) for side, value in files_per_s.items()},
                "ratio": round(files_per_s["tensor"] / files_per_s["pixel_array"], 3),
            }
        )
    titles = ("tensor/s", "bare/s", "ratio", "header/s")
    print(f"{'transfer syntax':<55}{'files':>6}" + "".join(f"{title:>10}" for title in titles))
    for row in rows:
        print(
            f"{row['transfer_syntax'][:54]:<55}{row['files']:>6}"
            f"{row['tensor_files_per_s']:>10}{row['pixel_array_files_per_s']:>10}"
            f"{row['ratio']:>10}{row['header_files_per_s']:>10}"
        )
    print(f"left out, no pixels or refused by either side: {refused}")
    if arguments.output:
        result = {"size": arguments.size, "rounds": arguments.rounds, "left_out": refused}
        arguments.output.write_text(json.dumps(result | {"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
