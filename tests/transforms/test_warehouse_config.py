"""`nightrounds.toml`: what is read, kept and refused."""

import pytest

from transforms.errors import UsageError
from transforms.warehouse import open_warehouse
from transforms.warehouse_config import Config, read_config, write_config


def write(tmp_path, text):
    (tmp_path / "nightrounds.toml").write_text(text)
    return str(tmp_path)


def test_what_is_written_is_read_again(tmp_path):
    config = Config(3, False, "/scratch", {"uri": 'a"b', "s3.endpoint": "http://c"})
    write_config(str(tmp_path), config)
    assert read_config(str(tmp_path)) == config


def test_names_with_dots_need_no_quotes(tmp_path):
    folder = write(tmp_path, '[catalog]\ns3.endpoint = "http://a"\ns3.retries = 3\nuri = "b"\n')
    found = read_config(folder)
    assert found.catalog == {"s3.endpoint": "http://a", "s3.retries": "3", "uri": "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bucket = 3\n", "unexpected keyword argument 'bucket'"),
        ("buckets 3\n", "Expected '=' after a key"),
        ("quarantine_raw = 1\n", "quarantine_raw = 1: not true or false"),
        ('work_folder = "s3://b/work"\n', "no absolute path"),
        ('work_folder = "work"\n', "no absolute path"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        open_warehouse(write(tmp_path, text), create=True)


def test_a_url_needs_a_catalog(object_store, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match="name no catalog that can be used"):
        open_warehouse(f"{object_store.new_bucket()}/w", create=True)
