"""How what is missing is installed: as kviz itself was, and without a path of this machine."""

import json
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from kviz import extras
from kviz.errors import OptionError
from kviz.extras import install_command, installed

FOLDER = 'pip install ".[serve]" in the folder of kviz'
INDEX = 'pip install "keras-kviz[serve]"'


@pytest.mark.parametrize(
    ("direct_url", "command"),
    [
        (json.dumps({"url": "file:///home/me/kviz", "dir_info": {}}), FOLDER),
        (json.dumps({"url": "file:///home/me/kviz", "dir_info": {"editable": True}}), FOLDER),
        (json.dumps({"url": "file:///home/me/kviz.whl", "archive_info": {}}), INDEX),
        (None, INDEX),
        ("", INDEX),
        ("{", INDEX),
        ("[]", INDEX),
        ("3", INDEX),
    ],
)
def test_an_extra_is_installed_as_kviz_was(monkeypatch, direct_url, command):
    found = SimpleNamespace(read_text={"direct_url.json": direct_url}.get)
    monkeypatch.setattr(extras, "distribution", {"keras-kviz": found}.get)
    assert install_command("serve") == command
    with pytest.raises(OptionError) as error:
        installed("no_such_package.part", "The app", "serve")
    assert str(error.value) == (
        f"The app needs no_such_package, which is not installed: {command}."
    )


def test_without_an_installation_kviz_is_run_from_its_folder(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "distribution", missing)
    assert install_command("serve") == FOLDER


def test_what_no_extra_brings_is_installed_alone():
    with pytest.raises(OptionError, match="pip install no_such_package"):
        installed("no_such_package", "to_frame()")


def test_what_is_missing_of_an_extra_is_known_by_metadata_alone(monkeypatch):
    needs = [
        "not-there-at-all; extra == 'far'", "numpy; extra == 'near'", "numpy",
        "keras-kviz[far]; extra == 'around'",
    ]  # fmt: skip
    monkeypatch.setattr(extras, "requires", {"keras-kviz": needs}.get)
    found = {name: extras.is_there(name) for name in ("near", "far", "around", "another's")}
    assert found == {"near": True, "far": False, "around": False, "another's": True}

    def missing(_):
        raise PackageNotFoundError

    monkeypatch.setattr(extras, "requires", missing)
    assert extras.is_there("far")
