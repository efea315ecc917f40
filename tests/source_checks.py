"""What tests of all kinds of sources do to each."""

import pickle

import numpy as np
from PIL import Image


def photo(path, level, size=(6, 5)):
    """Write a photo of one level, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)
    return path


def listed(source, start=0, stop=None):
    """Return items as what can be compared."""
    items = source.items(start, source.count if stop is None else stop)
    return [(one.name, one.label, plain(one.data)) for one in items]


def plain(data):
    return data.tolist() if isinstance(data, np.ndarray) else data


def check_slices(source):
    """Any cut gives the whole, and so does the source after a way through another process."""
    whole = listed(source)
    assert len(whole) == source.count
    for cut in {0, 1, source.count // 2, source.count}:
        assert listed(source, 0, cut) + listed(source, cut) == whole
    for place in range(source.count):
        assert listed(source, place, place + 1) == whole[place : place + 1]
    other = pickle.loads(pickle.dumps(source))  # noqa: S301 - its own
    assert listed(other) == whole
    assert (other.fingerprint, other.count) == (source.fingerprint, source.count)
    assert other.label_names == source.label_names
    assert other.describe() == source.describe()
