"""Items are read ahead in order, and no more of them than are asked for."""

import numpy as np

from kviz.dataset.sources import Item, Source
from kviz.dataset.sources.read_ahead import read_ahead
from kviz.formats.fitting import Wanted


class Counted(Source):
    """Arrays, every third of which is bad; says how many were asked for."""

    of_arrays = True
    count = 1000
    given = 0

    def items(self, start, stop):
        for place in range(start, stop):
            type(self).given += 1
            yield Item(str(place), place, np.full((2, 2, 3), place if place % 3 else np.nan))


def test_as_many_are_read_ahead_as_was_said_and_in_order():
    read = read_ahead(Counted("f", None), Wanted((2, 2)), None, (10, 900), 20)
    for taken in range(100):
        one = next(read)
        assert one.item.name == str(10 + taken)
        assert bool(one.error) == ((10 + taken) % 3 == 0)
        assert one.error or (one.pixels == 10 + taken).all()
        assert taken + 1 <= Counted.given <= taken + 1 + 20
    read.close()
    assert Counted.given <= 121
