"""Licences and audits: what must not be is found, what cannot be asked is said."""

import importlib.metadata
import json
import subprocess
import types

import pytest

from bench import dependencies
from bench.dependencies import EXPLAINED, check_licences, kind_of, licences, read_audit


def distribution(tmp_path, name, *lines):
    folder = tmp_path / f"{name}-1.dist-info"
    folder.mkdir()
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1", *lines])
    (folder / "METADATA").write_text(text + "\n")
    return importlib.metadata.PathDistribution(folder)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Apache-2.0", "free"),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", "free"),
        ("GNU General Public License v3 (GPLv3)", "GPL"),
        ("AGPL-3.0-or-later", "GPL"),
        ("GNU Affero General Public License v3", "GPL"),
        ("GNU Lesser General Public License v2 (LGPLv2)", "LGPL"),
        ("GPL-2.0-only AND MIT", "GPL"),
        ("LGPL-3.0-only AND GPL-3.0-only", "GPL"),
        ("LGPL-2.1 OR GPL-2.0", "LGPL"),
        ("", "unknown"),
    ],
)
def test_kinds(text, kind):
    assert kind_of(text) == kind


def test_what_must_not_be_is_found(tmp_path):
    found = licences(
        [
            distribution(tmp_path, "a", "License-Expression: GPL-3.0-only"),
            distribution(tmp_path, "b", "Classifier: License :: OSI Approved :: MIT License"),
            distribution(tmp_path, "c", "License: LGPL"),
            distribution(tmp_path, "d", "License: UNKNOWN"),
            distribution(tmp_path, "e", "Classifier: License :: OSI Approved"),
        ]
    )
    wrong = check_licences(found, {"d": "MIT, says its site"})
    assert wrong == ["a 1: GPL-3.0-only", "c 1: LGPL, not explained", "e 1: unknown, not explained"]
    assert len(check_licences(found, {"a": "no reason is good enough", "c": "", "d": ""})) == 2


def test_of_what_is_installed_nothing_is_under_the_gpl():
    found = licences()
    assert len(found) > 100
    assert check_licences(found, EXPLAINED) == []
    assert {licence.name for licence in found if licence.kind != "free"} == set(EXPLAINED)


def audited(monkeypatch, stdout, stderr=""):
    done = types.SimpleNamespace(stdout=stdout, stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    return dependencies._audit()


def test_a_vulnerability_fails_the_check(monkeypatch, capsys):
    known = {"name": "x", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    unasked = {"name": "y", "version": "1", "skip_reason": "not found"}
    output = json.dumps({"dependencies": [known, unasked]})
    assert read_audit(output) == (["x 1: CVE-1, fixed in 2"], 1, ["not found"])
    assert audited(monkeypatch, output) == 1
    assert "1 audited, 1 vulnerabilities, 1 skipped" in capsys.readouterr().out
    sound = {"name": "x", "version": "2", "vulns": []}
    assert audited(monkeypatch, json.dumps({"dependencies": [sound]})) == 0


def test_a_service_that_does_not_answer_is_told_of(monkeypatch, capsys):
    assert audited(monkeypatch, "", "Traceback\nConnectionError: no route") == 0
    assert "skipped, pip-audit could not ask its advisory service" in capsys.readouterr().out
    unasked = {"name": "y", "version": "1", "skip_reason": "y was not found"}
    assert audited(monkeypatch, json.dumps({"dependencies": [unasked]})) == 0
    assert "knows none of them: y was not found" in capsys.readouterr().out
