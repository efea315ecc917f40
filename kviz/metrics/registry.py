"""Metrics by name: a file of `measures/` each, whose name is the metric's, and what others install.

Another package's metrics are found by its entry points of the group `kviz.metrics`:

    [project.entry-points."kviz.metrics"]
    my_metric = "my_package:MyMetric"
"""

from __future__ import annotations

from typing import Any

from kviz.metrics.metric import Metric
from kviz.registry import Registry
from kviz.shelf import METRICS

_METRICS: Registry[Metric] = Registry(METRICS, Metric, "deletion")


def metric_names() -> list[str]:
    """Return the names of all metrics: kviz's own, and those that other packages have.

    >>> "deletion" in metric_names()
    True
    """
    return _METRICS.names()


def metric_class(name: str) -> type[Metric]:
    """Return a metric's class by its name.

    Args:
        name: such as `"deletion"`.

    Raises:
        OptionError: if there is no such metric, or the package that has it does not load.

    >>> metric_class("mu_fidelity").display_name
    'μ-fidelity'
    """
    return _METRICS.find(name)


def metric_named(name: str, /, **options: Any) -> Metric:
    """Return a metric by its name, with its options.

    Args:
        name: such as `"deletion"`.
        **options: its fields.

    Raises:
        OptionError: if there is no such metric, it has no such option, or that does not take the value.

    >>> metric_named("deletion", steps=64).steps
    64
    """
    return _METRICS.make(name, **options)


def as_metric(option: str, value: Any) -> Metric:
    """Return what was given as a metric: an instance, a name, or what a result says of one.

    Args:
        option: what it was given as, for the error.
        value: a `Metric`, a name, or a dict of `"name"` and options.

    Raises:
        OptionError: if it is none of these.

    >>> as_metric("metrics", "insertion").display_name
    'Insertion'
    """
    return _METRICS.taken(option, value)


def metric_name(metric: Metric) -> str:
    """Return a metric's one name, by which `metric_named` makes it.

    >>> metric_name(metric_named("mu_fidelity"))
    'mu_fidelity'
    """
    return _METRICS.name_of(metric)
