"""Loading in a process of its own: what happens there is told here, and nothing of it happens here."""

import keras
import pytest
from refusals import refused

import kviz
from kviz import _process
from kviz.network import isolated


@pytest.fixture
def honest(tmp_path):
    keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 3)]).save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


def test_what_loads_there_is_loaded_here(honest):
    network = kviz.load_model(honest, isolated=True)
    assert network.path == honest
    assert network.input_shapes == [(None, 4, 4, 3)]


# What stands for a file's load needs no TensorFlow.
BEGUN = "import json, os, sys, time\nprint('begun', flush=True)\n"
DIES = {
    "os.abort()": "it crashed a process of its own (SIGABRT)",
    "os.kill(os.getpid(), 9)": "it crashed a process of its own (exit code -9)",
    "held = []\nwhile True: held.append(b'x' * 4_000_000); time.sleep(.1)": "max_memory= allows more",
    "time.sleep(30)": "it did not end within 1 seconds",
}


@pytest.mark.parametrize("code", DIES)
def test_how_it_failed_there_is_told_in_one_sentence(honest, monkeypatch, code):
    monkeypatch.setattr(isolated, "_CODE", BEGUN + code)
    monkeypatch.setattr(isolated, "SECONDS", 1 if "sleep(30)" in code else 60)
    monkeypatch.setattr(_process, "allowance", lambda: 40_000_000)
    with refused("m.keras was not loaded: ", kviz.ModelError) as caught:
        kviz.load_model(honest, isolated=True)
    assert DIES[code] in str(caught.value)


def test_a_refusal_there_names_the_file_as_the_caller_does(honest, monkeypatch):
    code = "print(json.dumps(json.loads(sys.argv[1])['path'] + ' is broken.'))"
    monkeypatch.setattr(isolated, "_CODE", BEGUN + code)
    with refused("m.keras is broken", kviz.ModelError) as caught:
        kviz.load_model(honest, isolated=True)
    assert str(caught.value) == f"{honest} is broken."


@pytest.mark.parametrize("name", ["lost.keras", "", "a\0b", "x" * 500])
def test_what_is_no_file_is_said_at_once(name, monkeypatch):
    monkeypatch.setattr(isolated, "_load", lambda *_: pytest.fail("tried"))
    with refused("no file|cannot be read|is a folder", kviz.ModelError):
        kviz.load_model(name, isolated=True)


def test_only_true_and_false(honest):
    with refused("isolated takes True or False", kviz.OptionError):
        kviz.load_model(honest, isolated="yes")


def test_options_are_handed_on(honest, monkeypatch):
    """What is allowed here is allowed there, and nothing more."""
    jobs = []
    monkeypatch.setattr(isolated, "_load", lambda *given: jobs.append(given))
    kviz.load_model(honest, isolated=True, trust=True, max_layers=7, max_memory="2GB")
    *_, most, job = jobs[0]
    assert most == 2 * 10**9
    assert job["how"] == {"trust": True, "max_layers": 7}
    kviz.load_model(honest, isolated=True, custom_objects={"Mine": keras.layers.Dense})
    assert jobs[1][-1]["objects"]["Mine"][1] == "Dense"
    assert jobs[1][-2] is None
