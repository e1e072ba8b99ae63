"""Recall and precision of `transforms.fhir.scrub` on labelled notes, by kind.

    python -m bench.scrub --notes 4000 [-o bench/out/scrub.json]

The notes are made of the held-out templates of `bench.scrub_notes`; `--development` takes those
that the rules were tuned on. An identifier counts as found when no letter or digit of it is left,
whatever kind it was taken for; a replacement is right when it touches an identifier.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from bench.scrub_notes import DEVELOPMENT, HELD_OUT, Labelled, Pools, note
from transforms.fhir.scrub import Span, find_identifiers


def count(text: str, labels: list[Labelled], spans: list[Span]) -> Counter[tuple[str, str]]:
    """(`labelled`, kind), (`found`, kind), (`replaced`, kind) and (`right`, kind)."""
    hidden = {place for span in spans for place in range(span.begin, span.end)}
    counts: Counter[tuple[str, str]] = Counter()
    for begin, end, kind in labels:
        counts["labelled", kind] += 1
        counts["found", kind] += all(
            place in hidden or not text[place].isalnum() for place in range(begin, end)
        )
    for begin, end, kind in spans:
        counts["replaced", kind] += 1
        counts["right", kind] += any(a < end and begin < b for a, b, _ in labels)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--notes", type=int, default=4000)
    parser.add_argument("--development", action="store_true")
    parser.add_argument("--show", type=int, default=0, help="print so many faults of each sort")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    pools: Pools = DEVELOPMENT if options.development else HELD_OUT
    counts: Counter[tuple[str, str]] = Counter()
    notes = [note(seed, pools) for seed in range(options.notes)]
    begun = time.perf_counter()
    found = [find_identifiers(text) for text, _ in notes]
    seconds = time.perf_counter() - begun
    for (text, labels), spans in zip(notes, found, strict=True):
        counts += count(text, labels, spans)
    result = {}
    for kind in sorted({kind for _, kind in counts}):
        labelled, replaced = counts["labelled", kind], counts["replaced", kind]
        result[kind] = {
            "labelled": labelled,
            "recall": round(counts["found", kind] / max(labelled, 1), 4),
            "replaced": replaced,
            "precision": round(counts["right", kind] / max(replaced, 1), 4),
        }
        print(kind, result[kind])
    characters = sum(len(text) for text, _ in notes)
    print(f"{len(notes)} notes, {characters} characters, {characters / seconds / 1e6:.2f} M/s")
    _show(notes, found, options.show)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=1) + "\n")


def _show(notes: list[tuple[str, list[Labelled]]], found: list[list[Span]], most: int) -> None:
    """Commonest faults, for whoever tunes the rules on the development set."""
    missed: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for (text, labels), spans in zip(notes, found, strict=True):
        for begin, end, kind in labels:
            if not count(text, [Labelled(begin, end, kind)], spans)["found", kind]:
                missed[f"{kind} {text[max(0, begin - 25) : begin]!r} {text[begin:end]!r}"] += 1
        for begin, end, kind in spans:
            if not any(a < end and begin < b for a, b, _ in labels):
                wrong[f"{kind} {text[max(0, begin - 25) : begin]!r} {text[begin:end]!r}"] += 1
    for title, faults in (("missed", missed), ("wrong", wrong)):
        for fault, number in faults.most_common(most):
            print(title, number, fault)


if __name__ == "__main__":
    main()
