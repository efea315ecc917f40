"""How properties are tried: the same examples in each run, without a file of those that failed."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

tried = settings(deadline=None, database=None, derandomize=True, max_examples=200)

# What a tensor of a broken network can hold, denormal and huge numbers too.
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


def maps(elements=FINITE, least=1, most=6):
    """Return a strategy of float32 maps (H, W, channels)."""
    shapes = hnp.array_shapes(min_dims=3, max_dims=3, min_side=least, max_side=most)
    return hnp.arrays(np.float32, shapes, elements=elements)
