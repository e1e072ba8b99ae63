import datetime
import html.parser
import io
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.query import open_tables
from pipelines.report import (
    ModelScores,
    Stage,
    build_report,
    model_scores,
    print_table,
    quality_of,
    render_report,
)
from transforms.errors import UsageError
from transforms.schemas import TABLES

PLANTED = ("Quillfeather", "MRN7300017", "/exports/Aurelindo_Quillfeather.json")
NIGHT = datetime.date(2024, 12, 31)


def write(folder, **rows):
    """Rows by table, columns that are left out null -> table name -> files."""
    files = {}
    for name, table in TABLES.items():
        schema = table.schema
        whole = [
            {field.name: row.get(field.name) for field in schema} for row in rows.get(name, [])
        ]
        files[name] = []
        if whole:
            path = folder / f"{name}.parquet"
            nullable = pa.schema([field.with_nullable(True) for field in schema])
            pq.write_table(pa.Table.from_pylist(whole, nullable), path)
            files[name] = [str(path)]
    return files


def stage(run_id, name, minute, **counts):
    return {
        "run_date": NIGHT,
        "run_id": run_id,
        "verb": "nightly" if run_id == "r2" else "ingest",
        "stage": name,
        "status": "published",
        "started": datetime.datetime.combine(NIGHT, datetime.time(2, minute)),
        "seconds": 187.0,
        "read": 0,
        "written": 0,
        "quarantined": 0,
        "duplicate": 0,
        "skipped": [],
    } | counts


def score(model, value, label, run_id="r2", **more):
    return {
        "model": model,
        "run_date": NIGHT,
        "model_version": "v1",
        "run_id": run_id,
        "entity_type": "encounter",
        "entity_id": 1,
        "prediction_time": datetime.datetime.combine(NIGHT, datetime.time()),
        "score": value,
        "label": label,
        "input_hash": 1,
    } | more


def event(resource_type, resource_id, subject_id=1):
    return {
        "bucket": 1,
        "subject_id": subject_id,
        "code": "X//1",
        "resource_type": resource_type,
        "resource_id": resource_id,
        "source_id": 7,
        "text_value": PLANTED[0],
    }


@pytest.fixture
def files(tmp_path):
    refused = {
        "run_date": NIGHT,
        "run_id": "r1",
        "source_id": 7,
        "stage": "read_fhir",
        "resource_type": "Observation",
        "resource_id": PLANTED[1],
        "error_class": "ValidationError",
        "message": "Expected `float`, got `str` - at `$.valueQuantity.value`",
        "raw": PLANTED[0].encode(),
    }
    drivers = [{"feature": "age", "contribution": 0.5}, {"feature": "sex", "contribution": -1.0}]
    return write(
        tmp_path,
        runs=[
            stage("r1", "read_fhir", 0, read=1200, written=1000, quarantined=2, duplicate=8,
                  skipped=[("Claim", 190)]),
            stage("r1", "read_dicom", 0, read=5, written=5),
            stage("r2", "score", 5, read=4, written=4),
        ],
        quarantine=[refused, refused, refused | {"run_id": "old", "message": "of an older run"}],
        events=[event("Observation", 1), event("Observation", 1), event("Observation", 2),
                event("Patient", 3, subject_id=2)],
        images=[{"bucket": 1, "subject_id": 1, "study_id": 1, "instance_id": 1, "modality": "CT",
                 "source_id": 8, "has_pixels": True}],
        predictions=[
            score("readmission", 0.05, "no", drivers=drivers),
            score("readmission", 1.0, "yes", drivers=drivers[:1]),
            score("readmission", float("nan"), None),
            score("treatment", 0.75, "prasugrel"),
            score("treatment", 0.5, "ticagrelor", run_id="r1"),
        ],
    )  # fmt: skip


def report(files, **options):
    with open_tables(files) as connection:
        return build_report(connection, **options)


def test_numbers_from_the_tables(files):
    data = report(files)
    assert (data.run.run_id, data.run.verb, data.run.seconds) == ("r2", "nightly", 187.0)
    assert data.reading.run_id == "r1"
    assert data.reading.stages == (
        Stage("read_dicom", 5, 5, 0, 0, {}),
        Stage("read_fhir", 1200, 1000, 2, 8, {"Claim": 190}),
    )
    assert [run.run_id for run in data.newest] == ["r2", "r1"]
    assert [(h.name, h.resources, h.rows, h.sources, h.subjects) for h in data.holdings] == [
        ("Observation", 2, 3, 1, 1),
        ("Patient", 1, 1, 1, 1),
        ("DICOM CT", 1, 1, 1, 1),
    ]
    assert [(r.stage, r.error_class, r.inputs) for r in data.refusals] == [
        ("read_fhir", "ValidationError", 2)
    ]


def test_scores_of_the_run(files):
    readmission, treatment = report(files).scores
    assert readmission == ModelScores(
        model="readmission",
        version="v1",
        run_id="r2",
        run_date=NIGHT,
        rows=3,
        mean_score=pytest.approx(0.525),
        labels={"no": 1, "no label": 1, "yes": 1},
        low=0.0,
        high=1.0,
        bins=(0, 1, *[0] * 17, 1),
        drivers=(("age", 0.5, 0.5), ("sex", 1.0, -1.0)),
    )
    assert (treatment.rows, treatment.labels) == (1, {"prasugrel": 1})


def test_quantities_get_their_own_axis(tmp_path):
    files = write(tmp_path, predictions=[score("drug_target", v, None) for v in (4.5, 5.0, 9.2)])
    with open_tables(files) as connection:
        (found,) = model_scores(connection)
    assert (found.low, found.high, sum(found.bins)) == (4, 10, 3)
    assert (found.bins[1], found.bins[3], found.bins[17]) == (1, 1, 1)


def test_a_run_without_scores_shows_the_newest_of_each_model(files):
    data = report(files, run_id="r1")
    assert [(s.model, s.run_id) for s in data.scores] == [("treatment", "r1")]
    with open_tables(files) as connection:
        assert [(s.model, s.run_id) for s in model_scores(connection)] == [
            ("readmission", "r2"),
            ("treatment", "r2"),
        ]


def test_unknown_run_is_refused(files):
    with pytest.raises(UsageError, match="--run r9"):
        report(files, run_id="r9")


def test_an_empty_warehouse_has_no_report(tmp_path):
    with pytest.raises(UsageError, match="no run is recorded yet"):
        report(write(tmp_path))


def test_the_page_holds_no_identity_and_nothing_from_outside(files):
    page = render_report(report(files))
    for planted in PLANTED:
        assert planted not in page
    assert not re.search(r"https?://|src=(?!\"data:)|<link|<script|@import|url\(", page)


def test_the_page_shows_the_counts(files):
    page = render_report(report(files))
    assert page.count("✓ adds up") == 3
    assert "✗" not in page
    assert "1\u202f200" in page
    assert "Claim 190" in page
    assert "3 min 07 s" in page
    assert "Expected `float`, got `str` - at `$.valueQuantity.value`" in page
    assert "not a medical device" in page
    assert "of an older run" not in page


@pytest.mark.parametrize(("written", "verdict"), [(999, "✗ 1 missing"), (1002, "✗ 2 too many")])
def test_sums_that_do_not_add_up_are_red(tmp_path, written, verdict):
    counts = {"read": 1000, "written": written}
    page = render_report(report(write(tmp_path, runs=[stage("r1", "read_fhir", 0, **counts)])))
    assert '<tr class="wrong"><td>read_fhir</td>' in page
    assert f'<span class="bad">{verdict}</span>' in page
    assert '<dd class="bad">does not add up</dd>' in page


def test_a_refused_run_says_so(tmp_path):
    page = render_report(report(write(tmp_path, runs=[stage("r1", "a", 0, status="refused")])))
    assert '<dd class="bad">refused</dd>' in page
    assert "Nothing of this run was published" in page


def test_text_is_escaped(tmp_path):
    page = render_report(report(write(tmp_path, runs=[stage("r1", "<script>", 0)])))
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_every_element_is_closed(files):
    metrics = {"test": {"auroc": {"value": 0.8, "low": 0.7, "high": 0.9}, "rows": 12}}
    other = {"rmse": {"value": 1.5, "low": None, "high": None}}
    quality = [quality_of("outbreak", "v2", other), quality_of("readmission", "v1", metrics)]
    page = render_report(report(files, quality=quality))
    value = 'test auroc <b>0.800</b> <span class="small">0.700 to 0.900</span>'
    assert f'<span class="measure">{value}</span>' in page
    assert '<span class="measure">rmse <b>1.500</b></span>' in page
    stack = []

    class Balance(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "rect", "line"):
                stack.append(tag)

        def handle_endtag(self, tag):
            if tag not in ("rect", "line"):
                assert stack.pop() == tag

    Balance().feed(page)
    assert stack == []


def test_print_table(files):
    stream = io.StringIO()
    print_table(report(files).scores, stream)
    assert stream.getvalue() == (
        " model       │ rows │ mean score │ labels                  │ version\n"
        "─────────────┼──────┼────────────┼─────────────────────────┼─────────\n"
        " readmission │    3 │      0.525 │ no 1, no label 1, yes 1 │ v1\n"
        " treatment   │    1 │      0.750 │ prasugrel 1             │ v1\n"
    )
