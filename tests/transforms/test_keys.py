"""Keyed hashes against the standard library's HMAC."""

import hmac
import pickle

import pytest

from transforms.errors import UsageError
from transforms.keys import Keys, load_keys

SECRET = b"an example secret of some length"


def reference(text: str, secret: bytes = SECRET) -> int:
    return int.from_bytes(hmac.digest(secret, text.encode(), "sha256")[:8], "big") >> 1


@pytest.mark.parametrize("secret", [b"x" * 16, SECRET, b"y" * 64, b"z" * 200])
def test_hash_is_hmac_sha256(secret):
    assert Keys(secret).hash("Grüße") == reference("Grüße", secret)


def test_ids_are_hashes_of_what_they_name():
    keys = Keys(SECRET)
    assert keys.subject_id("p1") == reference("p1")
    assert keys.resource_id("Encounter", "e1") == reference("Encounter/e1")
    assert keys.uid("1.2.3") == reference("uid/1.2.3")
    assert 0 <= keys.source_id("/a/b") < 2**63


def test_keys_travel_to_workers_and_do_not_show_themselves():
    keys = Keys(SECRET)
    assert pickle.loads(pickle.dumps(keys)).hash("x") == keys.hash("x")  # noqa: S301
    assert SECRET.decode() not in repr(keys)


def test_key_file_comes_before_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "id.key"
    file.write_bytes(SECRET + b"\n")
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", "another secret, long enough")
    assert load_keys(file) == Keys(SECRET)
    assert load_keys(None) == Keys(b"another secret, long enough")


def test_no_key_no_run(tmp_path, monkeypatch):
    monkeypatch.delenv("NIGHTROUNDS_ID_KEY", raising=False)
    with pytest.raises(UsageError, match="NIGHTROUNDS_ID_KEY"):
        load_keys(None)
    with pytest.raises(UsageError, match="5 bytes"):
        Keys(b"short")
    with pytest.raises(UsageError, match="--id-key-file"):
        load_keys(tmp_path / "missing")


def test_a_key_that_others_may_read_is_told_of(tmp_path, capsys):
    file = tmp_path / "id.key"
    file.write_bytes(SECRET)
    for mode, said in ((0o600, ""), (0o400, ""), (0o640, "(mode 0640)"), (0o604, "(mode 0604)")):
        file.chmod(mode)
        assert load_keys(file) == Keys(SECRET)
        error = capsys.readouterr().err
        assert said in error and bool(said) == bool(error)
        assert SECRET.decode() not in error
