"""What a test lacks skips it, and fails it where CI is set."""

import re
from pathlib import Path

import needed
import pytest

TESTS = Path(__file__).parent


@pytest.mark.parametrize("ci", ["", "true"])
@pytest.mark.parametrize(
    ("need", "says"),
    [
        (lambda: needed.lacking("there is no Chromium"), "there is no Chromium"),
        (lambda: needed.need_package("no_such_package", "report"), r'pip install "\.\[report\]"'),
        (needed.need_fashion_mnist, "Fashion-MNIST is not on this machine"),
    ],
    ids=["anything", "a package", "Fashion-MNIST"],
)
def test_what_is_not_there(need, says, ci, monkeypatch, tmp_path):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(needed, "HOME", tmp_path)
    expected = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(expected, match=says):
        need()


def test_what_is_there(monkeypatch, tmp_path):
    monkeypatch.setattr(needed, "HOME", tmp_path)
    file = tmp_path / "datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"
    file.parent.mkdir(parents=True)
    file.touch()
    needed.need_fashion_mnist()
    needed.need_package("numpy", "test")


# PyTorch and Keras 2 judge kviz where somebody has them; everybody else has frozen numbers, or files
# that are made by hand.
REFEREES = {"test_resnet18.py", "test_legacy_tf_keras.py", "test_convert_tf_keras.py"}


def test_nothing_is_skipped_in_another_way():
    for path in {*TESTS.rglob("*.py")} - {TESTS / "needed.py", Path(__file__)}:
        text = path.read_text(encoding="utf-8")
        found = set(re.findall(r"skipif|importorskip|pytest\.skip|xfail", text))
        assert found == ({"importorskip"} if path.name in REFEREES else set()), (
            f"{path.name}: a test skips by needed.lacking(), which fails it where CI is set"
        )
