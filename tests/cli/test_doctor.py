"""kviz doctor, --device, and a photo from standard input."""

import io
import json
import platform
from importlib.metadata import PackageNotFoundError, metadata, requires, version

import numpy as np
import pytest
from click.testing import CliRunner
from commands import CAT, MODEL, files, one_line

import kviz
from kviz.cli import device, doctor, main
from kviz.extras import install_command


def run(*words, **more):
    return CliRunner().invoke(main, [str(word) for word in words], **more)


def test_versions_gpus_memory_and_backend_are_told():
    done = run("doctor", "--json")
    assert done.exit_code == 0, done.output
    assert done.stderr == "Importing TensorFlow to ask for GPUs …\n"
    told = json.loads(done.stdout)
    assert (told["kviz"], told["python"]) == (kviz.__version__, platform.python_version())
    assert told["backend"] == "tensorflow"
    assert told["works"]
    assert 0 < told["memory"]["free"] <= told["memory"]["total"]
    packages = {one["name"]: one for one in told["packages"]}
    assert {"tensorflow", "keras", "numpy", "click"} <= set(packages)
    for name, one in packages.items():
        assert one["installed"] == version(name)
    said = run("doctor").stdout
    plain = " ".join(said.split())
    assert (
        "Needs " + ", ".join(f"{name} {one['installed']}" for name, one in packages.items())
        in plain
    )
    assert said.startswith("kviz works.\n\n")
    every = " ".join(run("doctor", "--all").stdout.split())
    of_work = set(doctor._FOR_WORK_ON_KVIZ)
    for extra in told["extras"]:
        if extra["name"] != "gpu":
            row = f" {extra['name']} {'installed' if extra['complete'] else 'missing'} "
            assert row in every
            assert (row in plain) == (extra["name"] not in of_work)
    assert "(test, referee, docs): --all." in plain
    assert "--all." not in every


METADATA = [
    "numpy>=1; python_version > '3'", "scipy>=1; extra == 'near'",
    "not-there-at-all[part]>=2; extra == 'far'", "keras-kviz[all]; extra == 'far'",
    "keras-kviz[near,far]; extra == 'all'", "numpy>=999; extra == 'newer'",
    "nothing>=1; extra == 'near' and python_version < '3'",
]  # fmt: skip


def extras_are(monkeypatch, names, needs):
    monkeypatch.setattr(
        doctor, "metadata", lambda _: type("M", (), {"get_all": lambda *_: names})()
    )
    monkeypatch.setattr(
        "kviz.extras.requires", lambda name: needs if name == "keras-kviz" else requires(name)
    )


def test_extras_are_read_from_metadata(monkeypatch):
    extras_are(monkeypatch, ("near", "far", "all", "newer"), METADATA)
    done = run("doctor")
    assert done.exit_code == 0
    said = " ".join(done.stdout.split())
    assert f"Needs numpy {np.__version__} Extras" in said
    assert "near installed" in said
    extras = json.loads(run("doctor", "--json").stdout)["extras"]
    told = {extra["name"]: extra["packages"] for extra in extras}
    assert [one["name"] for one in told["near"]] == ["scipy"]
    assert {one["name"] for one in told["all"]} == {"scipy", "not-there-at-all"}
    for extra, why in (
        ("far", "not-there-at-all: not installed, kviz needs >=2"),
        ("all", "not-there-at-all: not installed, kviz needs >=2"),
        ("newer", f"numpy: {np.__version__} is installed, kviz needs >=999"),
    ):
        assert f"{extra} missing {why} {install_command(extra)}" in said
    monkeypatch.setattr("kviz.extras.requires", lambda _: ["not-there-at-all"])
    done = run("doctor")
    assert done.exit_code == 1
    assert "MISSING  not-there-at-all: not installed, kviz needs it: pip install" in done.stdout
    assert done.stdout.startswith("kviz does not work: see below what is missing.\n")


@pytest.mark.parametrize("driver", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_packages_of_nvidia_are_for_who_has_a_gpu_or_them(monkeypatch, driver, there):
    monkeypatch.setattr(doctor, "_has_nvidia_driver", lambda: driver)
    problem = {"backend": "tensorflow", "gpus": [], "cuda": True, "problem": ""}
    monkeypatch.setattr(doctor, "_backend", lambda: problem)
    extras_are(
        monkeypatch, ("gpu", "near"), ["nvidia-a>=1; extra == 'gpu'", "nvidia-b; extra == 'gpu'"]
    )
    installed = {"nvidia-a": "1.5rc1"} if there else {}

    def version_of(name):
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr("kviz.extras.version", version_of)
    said = run("doctor").stdout
    assert ("nvidia-b: not installed" in said) == (driver or there)
    assert ("nvidia-a: " in said) == (driver and not there)
    assert ("an NVIDIA driver is there" in said) == driver
    assert (f"It needs {install_command('gpu')}." in said) == driver
    assert json.loads(run("doctor", "--json").stdout)["nvidia_driver"] == driver


def test_each_extra_says_what_it_is_for():
    assert set(metadata("keras-kviz").get_all("Provides-Extra")) == {
        *doctor._FOR,
        *doctor._FOR_WORK_ON_KVIZ,
    }


def test_a_backend_that_does_not_start_is_told(monkeypatch):
    problem = {"backend": None, "gpus": [], "cuda": False, "problem": "Keras does not start."}
    monkeypatch.setattr(doctor, "_backend", lambda: problem)
    done = run("doctor")
    assert done.exit_code == 1
    assert "Backend  Keras does not start." in done.stdout


def test_the_cpu_is_always_there_and_a_gpu_that_is_not_is_one_line(monkeypatch):
    done = run("predict", MODEL, CAT, "--device", "cpu")
    assert "Egyptian cat" in done.stdout
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda _: [])
    said = one_line(run("predict", MODEL, CAT, "--device", "gpu:1"))
    assert "--device gpu:1 is not there: TensorFlow sees no GPU" in said
    assert run("predict", MODEL, CAT, "--device", "tpu").exit_code == 2


def test_gpus_are_hidden_before_tensorflow_starts(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setattr(device.sys, "modules", {})
    device.hide_others("gpu:1")
    assert device.os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    device.hide_others("cpu")
    assert device.os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


@pytest.mark.parametrize(("wanted", "chosen"), [("gpu:1", ["b"]), ("gpu", ["a", "b"]), ("cpu", [])])
def test_one_gpu_is_left(monkeypatch, wanted, chosen):
    left = []
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda _: ["a", "b"])
    monkeypatch.setattr(
        "tensorflow.config.set_visible_devices", lambda devices, kind: left.append((devices, kind))
    )
    device.use_device(wanted)
    assert left == [(chosen, "GPU")]


@pytest.mark.usefixtures("workplace")
def test_a_photo_comes_from_standard_input(tmp_path):
    photo = (tmp_path / "p.png").read_bytes()
    before = files(tmp_path)
    piped = json.loads(run("predict", "m.keras", "-", "--json", input=photo).stdout)
    named = json.loads(run("predict", "m.keras", "p.png", "--json").stdout)
    assert piped["images"][0]["classes"] == named["images"][0]["classes"]
    assert piped["images"][0]["name"] == "stdin"
    both = json.loads(run("predict", "m.keras", "p.png", "-", "--json", input=photo).stdout)
    assert [image["name"] for image in both["images"]] == ["p.png", "stdin"]
    assert files(tmp_path) == before
    array = io.BytesIO()
    np.save(array, np.zeros((16, 16, 3), "uint8"))
    assert run("predict", "m.keras", "-", input=array.getvalue()).exit_code == 0


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (("-",), b"", "Nothing came from standard input"),
        (("-", "-"), b"x", "Standard input is one photo: give - once."),
        (("-",), b"no photo", "is not an image"),
    ],
)
def test_what_is_no_photo_is_one_line(words, given, said):
    assert said in one_line(run("predict", "m.keras", *words, input=given))
