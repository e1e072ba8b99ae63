import json

import numpy as np
import pytest

from bench.quality.__main__ import write
from bench.quality.rows import Row, bootstrap, ndjson


def row(**values):
    found = {"model": "m", "set": "S", "split": "test", "metric": "auc", "value": 0.912345}
    found |= {"low": 0.8, "high": 0.95, "baseline": 0.7, "published": None, "seconds": 3.21}
    return Row(**{**found, **values})


def test_a_metric_is_one_of_those_that_are_compared():
    with pytest.raises(ValueError, match="loss"):
        row(metric="loss")


def test_rows_become_documents(tmp_path):
    page = "before\n<!-- measured -->\nold\n<!-- /measured -->\nafter\n"
    (tmp_path / "QUALITY.md").write_text(page)
    rows = [row().as_json(), row(metric="mse", value=480.0, note="single member").as_json()]
    write(rows, tmp_path)
    found = json.loads((tmp_path / "quality.json").read_text())
    assert list(found[0]) == [
        *("model", "set", "metric", "value", "low", "high", "baseline", "published", "seconds")
    ]
    assert (found[0]["value"], found[0]["set"]) == (0.9123, "S (test)")
    text = (tmp_path / "QUALITY.md").read_text()
    assert text.startswith("before\n<!-- measured -->\n| model |")
    assert text.endswith("<!-- /measured -->\nafter\n")
    assert "old" not in text
    assert "| `m` | S | test, single member | MSE | 480 " in text


def test_an_interval_is_of_resampled_rows_or_groups():
    random = np.random.default_rng(0)
    values = random.normal(0, 1, 400)
    value, low, high = bootstrap(np.mean, values)
    assert value == values.mean()
    assert (high - low) / 2 == pytest.approx(1.96 / np.sqrt(400), rel=0.15)
    # Rows that are the same within a group tell no more than one of them.
    repeated, group = np.repeat(values[:100], 4), np.repeat(np.arange(100), 4)
    _, low, high = bootstrap(np.mean, repeated, groups=group)
    assert (high - low) / 2 == pytest.approx(1.96 / np.sqrt(100), rel=0.2)


def test_resources_are_lines():
    assert ndjson([{"a": 1}, {"b": "é\n"}]).decode().count("\n") == 2
