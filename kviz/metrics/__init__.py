"""Whether maps can be trusted: metrics, what chance gives, and evaluate, one call for all of them."""

from kviz.metrics.evaluate import evaluate
from kviz.metrics.measures.average_drop import AverageDrop
from kviz.metrics.measures.average_gain import AverageGain
from kviz.metrics.measures.average_increase import AverageIncrease
from kviz.metrics.measures.completeness import Completeness
from kviz.metrics.measures.deletion import Deletion
from kviz.metrics.measures.infidelity import Infidelity
from kviz.metrics.measures.insertion import Insertion
from kviz.metrics.measures.mu_fidelity import MuFidelity
from kviz.metrics.measures.parameter_randomization import ParameterRandomization
from kviz.metrics.measures.road import Road
from kviz.metrics.measures.sensitivity_n import SensitivityN
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.metrics.registry import (
    as_metric,
    metric_class,
    metric_name,
    metric_named,
    metric_names,
)

__all__ = [
    "AverageDrop",
    "AverageGain",
    "AverageIncrease",
    "Completeness",
    "Deletion",
    "Infidelity",
    "Insertion",
    "Measured",
    "Metric",
    "MuFidelity",
    "ParameterRandomization",
    "Road",
    "SensitivityN",
    "Trial",
    "as_metric",
    "evaluate",
    "metric_class",
    "metric_name",
    "metric_named",
    "metric_names",
]
