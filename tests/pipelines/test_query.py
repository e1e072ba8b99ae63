import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.query import OutputFormat, execute_select, layout, open_tables, run_query
from transforms.errors import UsageError
from transforms.schemas import PREDICTIONS, TABLES

EVERY_TYPE = """
select 9007199254740993::bigint as id, 0.1::float as score, timestamp '2024-03-01 07:08:09' as time,
       date '2024-03-01' as day, map {'yes': 0.25::float} as probabilities,
       [{'feature': 'age', 'contribution': 0.3::float}] as drivers, 'a "b"' as text,
       'raw\\xFF'::blob as raw, null as nothing, 'nan'::double as broken, true as flag,
       sum(2)::hugeint as total, 1.50::decimal(5, 2) as price, 3::decimal(5, 0) as whole
"""


@pytest.fixture
def files(tmp_path):
    """Two rows of predictions in a folder whose name DuckDB could take for a glob."""
    folder = tmp_path / "model=readmission" / "it's [1]*"
    folder.mkdir(parents=True)
    columns = {
        "model": ["readmission", "treatment"],
        "run_date": [19_783, 19_783],
        "model_version": ["1", "1"],
        "run_id": ["r", "r"],
        "subject_id": [1, None],
        "entity_type": ["encounter", "patient"],
        "entity_id": [11, 12],
        "prediction_time": [0, 1],
        "score": [0.1, 0.75],
        "label": ["no", "yes"],
        "probabilities": [[("no", 0.9), ("yes", 0.1)], None],
        "interval_low": [None, None],
        "interval_high": [None, None],
        "drivers": [[{"feature": "age", "contribution": 0.1}], None],
        "input_hash": [1, 2],
    }
    none = [None, None]
    arrays = [pa.array(columns.get(field.name, none), field.type) for field in PREDICTIONS]
    pq.write_table(pa.Table.from_arrays(arrays, schema=PREDICTIONS), folder / "p.parquet")
    return {"predictions": [str(folder / "p.parquet")], "events": []}


def run(sql, files, **options):
    stream = io.StringIO()
    count = run_query(sql, files, stream, **options)
    return stream.getvalue(), count


def test_json_keeps_types(files):
    text, count = run(EVERY_TYPE, files, output=OutputFormat.JSON)
    assert count == 1
    assert json.loads(text) == [
        {
            "id": 9007199254740993,
            "score": 0.1,
            "time": "2024-03-01T07:08:09",
            "day": "2024-03-01",
            "probabilities": {"yes": 0.25},
            "drivers": [{"feature": "age", "contribution": 0.3}],
            "text": 'a "b"',
            "raw": "raw\\xff",
            "nothing": None,
            "broken": None,
            "flag": True,
            "total": 2,
            "price": 1.5,
            "whole": 3,
        }
    ]


def test_json_of_the_warehouse(files):
    text, count = run(
        "select model, probabilities, drivers, score from predictions order by model",
        files,
        output=OutputFormat.JSON,
    )
    assert text == (
        '[\n {"model": "readmission", "probabilities": {"no": 0.9, "yes": 0.1}, '
        '"drivers": [{"feature": "age", "contribution": 0.1}], "score": 0.1},\n'
        ' {"model": "treatment", "probabilities": null, "drivers": null, "score": 0.75}\n]\n'
    )
    assert count == 2


def test_json_without_rows(files):
    assert run("from events", files, output=OutputFormat.JSON) == ("[]\n", 0)


def test_csv(files):
    assert run(EVERY_TYPE, files, output=OutputFormat.CSV) == (
        "id,score,time,day,probabilities,drivers,text,raw,nothing,broken,flag,total,price,whole\n"
        '9007199254740993,0.1,2024-03-01T07:08:09,2024-03-01,"{""yes"": 0.25}",'
        '"[{""feature"": ""age"", ""contribution"": 0.3}]","a ""b""",raw\\xff,,,true,2,1.5,3\n',
        1,
    )


def test_table_aligns_and_cuts(files):
    sql = "select model, entity_id, 'a\nlong text that goes on' as note from predictions order by 1"
    assert run(sql, files)[0] == (
        " model       │ entity_id │ note\n"
        "─────────────┼───────────┼───────────────────────────\n"
        " readmission │        11 │ a\\nlong text that goes on\n"
        " treatment   │        12 │ a\\nlong text that goes on\n"
        "(2 rows)\n"
    )
    assert run(sql, files, width=41)[0] == (
        " model       │ entity_id │ note\n"
        "─────────────┼───────────┼───────────────\n"
        " readmission │        11 │ a\\nlong text…\n"
        " treatment   │        12 │ a\\nlong text…\n"
        "(2 rows)\n"
    )


def test_table_says_what_it_leaves_out(files):
    text, count = run("from range(12_345)", files)
    assert count == 12_345
    assert text.endswith("\n  9999\n(12,345 rows, the first 10,000 shown)\n")


def test_narrow_terminal_keeps_a_few_characters_of_each_column():
    assert layout(["first_column", "second"], [["x" * 50, "1"]], [False, True], 10) == [
        " first_c… │ second",
        "──────────┼────────",
        " xxxxxxx… │      1",
    ]


@pytest.mark.parametrize("name", TABLES)
def test_empty_table_has_the_columns_of_its_schema(name):
    with open_tables({name: []}) as connection:
        columns = [column[0] for column in execute_select(connection, f"from {name}").description]
    assert columns == TABLES[name].schema.names


def test_unknown_table_is_refused():
    with pytest.raises(UsageError, match="patients is no table"), open_tables({"patients": []}):
        pass


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to '{other}'",
        "copy (select 1) to '{own}' (use_tmp_file false)",
        "with x as (copy (select 1) to '{own}' (use_tmp_file false)) select * from x",
        "from (with x as (copy (select 1) to '{own}' (use_tmp_file false)) from x)",
        "explain analyze copy (select 1) to '{own}' (use_tmp_file false)",
        "copy (pivot (select 1 a, 2 b) on a using sum(b)) to '{own}' (use_tmp_file false)",
        "attach '{other}' as other",
        "export database '{other}'",
        "create table t as select 1",
        "from read_text('/etc/hostname')",
        "from glob('/*')",
        "from 'https://example.com/x.parquet'",
        "set enable_external_access = true",
        "install httpfs",
        "select 1; select 2",
        "",
    ],
)
def test_only_reading_is_possible(sql, files, tmp_path):
    own, other = files["predictions"][0], tmp_path / "other"
    with open(own, "rb") as file:
        before = file.read()
    with pytest.raises(UsageError):
        run(sql.format(own=own.replace("'", "''"), other=other), files)
    with open(own, "rb") as file:
        assert file.read() == before
    assert not other.exists()


def test_python_variables_are_no_tables(files):
    secret = pa.table({"a": [1]})
    assert secret.num_rows == 1
    with pytest.raises(UsageError, match="secret does not exist"):
        run("from secret", files)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 as a;",
        "select 1 as a -- why;",
        "select 1 as a; -- why",
        "-- é; why\nselect 1 as a ;",
    ],
)
def test_semicolons_and_comments(sql, files):
    assert run(sql, files, output=OutputFormat.CSV) == ("a\n1\n", 1)


@pytest.mark.parametrize("sql", ["show tables", "describe events", "summarize predictions"])
def test_the_schema_can_be_asked_for(sql, files):
    assert run(sql, files)[1] > 1


def test_errors_carry_what_duckdb_says(files):
    with pytest.raises(UsageError, match='column "scor" not found'):
        run("select scor from predictions", files)
    with pytest.raises(UsageError, match="Could not convert string"):
        run("select cast(model as int) from predictions", files)


def test_columns_that_no_file_has_yet_are_null(files):
    old = pq.read_table(files["predictions"][0]).drop_columns(["advice", "target_time"])
    pq.write_table(old, files["predictions"][0])
    sql = "select entity_id, score, advice, target_time from predictions order by 1"
    text, _ = run(sql, files, output=OutputFormat.JSON)
    assert json.loads(text) == [
        {"entity_id": 11, "score": 0.1, "advice": None, "target_time": None},
        {"entity_id": 12, "score": 0.75, "advice": None, "target_time": None},
    ]
