"""What is kept is bounded."""

import numpy as np

from kviz.serve.kept import Kept


def test_never_more_is_kept_than_may_be():
    """By a list that is searched from its end: the plainest least-recently-used there is."""
    rng = np.random.default_rng(0)
    kept, plain = Kept(100), []
    for _ in range(2000):
        key, size = int(rng.integers(30)), int(rng.integers(1, 60))
        if rng.random() < 0.5:
            found = kept.get(key)
            known = [one for one in plain if one[0] == key]
            assert found == (known[0][1] if known else None)
            plain = [one for one in plain if one[0] != key] + known
        else:
            kept.put(key, size, size)
            plain = [one for one in plain if one[0] != key] + [(key, size)]
            while sum(one[1] for one in plain) > 100:
                plain.pop(0)
        assert kept.size == sum(one[1] for one in plain) <= 100
        assert len(kept) == len(plain)


def test_what_is_larger_than_all_is_not_kept_and_drives_nothing_out():
    kept = Kept(10)
    kept.put("a", "A", 6)
    kept.put("b", "B", 11)
    assert kept.get("a") == "A"
    assert kept.get("b") is None
    kept.put("a", "large", 11)
    assert kept.get("a") is None
    assert kept.size == 0
