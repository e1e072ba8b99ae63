"""The join that answers references: unambiguous answers only, keys in order."""

import polars as pl

from tests.builders import event_frame, image_frame, table_frame
from transforms.batches import from_ipc, shuffle_schema
from transforms.link import answers, finish, pending_schema, try_links

BUCKETS = 4


def links(*rows):
    return table_frame("links", [{"bucket": 0, **row} for row in rows])


def waiting(frame: pl.DataFrame, table: str, **columns) -> pl.DataFrame:
    schema = pl.DataFrame(pending_schema(table).empty_table()).schema
    values = {"subject_keys": None, "medication_key": None, "own_subject_id": None, "raw": None}
    values |= columns
    for name, value in values.items():
        frame = frame.with_columns(pl.Series(name, [value] * frame.height, schema[name]))
    return frame.select(schema.names())


def subjects_and_matches(data: bytes) -> list[tuple[int, str]]:
    images = pl.DataFrame(from_ipc([data], shuffle_schema("images")))
    return images.select("subject_id", "match").rows()


def pending_event(**columns):
    frame = event_frame([{"subject_id": None}])
    return waiting(frame, "events", **columns)


def test_an_identifier_of_two_patients_answers_nothing():
    found = answers(
        links(
            {"link_key": 1, "kind": "identifier", "subject_id": 10},
            {"link_key": 2, "kind": "identifier", "subject_id": 10},
            {"link_key": 2, "kind": "identifier", "subject_id": 11},
            {"link_key": 3, "kind": "identifier", "subject_id": 12},
            {"link_key": 3, "kind": "identifier", "subject_id": 12},
        )
    )
    assert dict(found.select("link_key", "found_subject").rows()) == {1: 10, 3: 12}


def test_a_subject_that_is_found_ends_the_search():
    tried = try_links(
        pending_event(subject_keys=[1, 2]),
        links({"link_key": 1, "kind": "identifier", "subject_id": 10}),
    )
    assert tried["subject_id"].to_list() == [10]
    assert tried["subject_keys"].to_list() == [None]


def test_a_key_that_answers_nothing_gives_way_to_the_next():
    tried = try_links(pending_event(subject_keys=[1, 2]), links())
    assert tried["subject_id"].to_list() == [None]
    assert tried["subject_keys"].to_list() == [[2]]


def test_a_medication_gives_its_codes():
    tried = try_links(
        pending_event(medication_key=5, subject_keys=[1]),
        links(
            {
                "link_key": 5,
                "kind": "medication",
                "code": "RXNORM//11289",
                "codes": ["ATC//B01AA03"],
            }
        ),
    )
    assert tried["code"].to_list() == ["RXNORM//11289"]
    assert tried["codes"].to_list() == [["ATC//B01AA03"]]
    assert tried["subject_keys"].to_list() == [[1]]
    assert tried["medication_key"].to_list() == [None]


def test_an_unknown_medication_leaves_the_code():
    tried = try_links(pending_event(medication_key=5), links())
    assert tried["code"].to_list() == ["LOINC//8480-6"]


def test_a_matched_image_says_how_and_tells_its_former_place():
    image = waiting(
        image_frame([{"subject_id": None, "match": "none"}]),
        "images",
        subject_keys=[1],
        own_subject_id=7,
    )
    done = try_links(image, links({"link_key": 1, "kind": "study", "subject_id": 10}))
    rows = sorted(
        row
        for (_, bucket), data in finish("images", done, BUCKETS)
        for row in subjects_and_matches(data)
    )
    assert rows == [(7, "moved"), (10, "study")]


def test_an_unmatched_image_keeps_its_own_subject():
    image = waiting(
        image_frame([{"subject_id": None, "match": "none"}]), "images", own_subject_id=7
    )
    ((key, data),) = finish("images", image, BUCKETS)
    assert key == ("images", 7 % BUCKETS)
    assert subjects_and_matches(data) == [(7, "none")]


def test_an_event_without_a_subject_is_refused_with_its_bytes_once():
    two = pl.concat([pending_event(), pending_event(raw=b"{}"), pending_event()])
    outputs = [item for item in finish("events", two, BUCKETS)]
    assert [(item.tag, item.value) for item in outputs if item.tag == "counts"] == [
        ("counts", (("read_fhir", "quarantined", ""), 1))
    ]
    (refused,) = [item.value for item in outputs if item.tag == "refused"]
    assert refused[2:6] == ("link", "Observation", None, "Unresolved")
    assert refused[-1] == b"{}"
