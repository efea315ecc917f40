"""How alike numbers are: rank correlation of rows."""

from __future__ import annotations

import numpy as np

from kviz._types import Array


def ranks(values: Array) -> Array:
    """Return the ranks of the numbers of each row, the mean of theirs for equal ones.

    >>> ranks(np.array([[3.0, 1.0, 3.0]]))
    array([[1.5, 0. , 1.5]])
    """
    found = np.empty(values.shape)
    for own, row in zip(found, values, strict=True):
        _, places, counts = np.unique(row, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        own[:] = ((ends - counts + ends - 1) / 2)[places]
    return found


def pearson(left: Array, right: Array) -> Array:
    """Return the correlation of each row with the other one's; 0 where one of them does not vary.

    >>> pearson(np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([[0.0, 9.0], [1.0, 2.0]]))
    array([1., 0.])
    """
    left, right = (rows - rows.mean(axis=1, keepdims=True) for rows in (left, right))
    scale = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    products = (left * right).sum(axis=1)
    found: Array = np.divide(products, scale, out=np.zeros(len(products)), where=scale > 0)
    return found


def spearman(left: Array, right: Array) -> Array:
    """Return the rank correlation of each row with the other one's; 0 where one does not vary.

    >>> spearman(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 10.0, 100.0]])).round(6)
    array([1.])
    """
    return pearson(ranks(left), ranks(right))
