from transforms.iceberg_files import SharedFileIO
from transforms.warehouse import open_warehouse


def test_one_file_system_serves_all_that_have_the_same_properties():
    first, second, other = (SharedFileIO({"s3.region": name}) for name in ("a", "a", "b"))
    assert first.fs_by_scheme("file", None) is second.fs_by_scheme("file", None)
    assert first.fs_by_scheme("file", None) is not other.fs_by_scheme("file", None)


def test_the_catalog_of_a_warehouse_uses_it(tmp_path):
    warehouse = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
    assert isinstance(warehouse.catalog._load_file_io(), SharedFileIO)
