"""Whether maps can be trusted: metrics, what chance gives, and evaluate, one call for all of them."""

from kviz.metrics.evaluate import evaluate
from kviz.metrics.measures.average_stability import AverageStability
from kviz.metrics.measures.completeness import Completeness
from kviz.metrics.measures.deletion import Deletion
from kviz.metrics.measures.efficient_parameter_randomization import EfficientParameterRandomization
from kviz.metrics.measures.insertion import Insertion
from kviz.metrics.measures.max_sensitivity import MaxSensitivity
from kviz.metrics.measures.mu_fidelity import MuFidelity
from kviz.metrics.measures.parameter_randomization import ParameterRandomization
from kviz.metrics.measures.random_logit import RandomLogit
from kviz.metrics.measures.road import Road
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.metrics.registry import (
    as_metric,
    metric_class,
    metric_name,
    metric_named,
    metric_names,
)

__all__ = [
    "AverageStability",
    "Completeness",
    "Deletion",
    "EfficientParameterRandomization",
    "Insertion",
    "MaxSensitivity",
    "Measured",
    "Metric",
    "MuFidelity",
    "ParameterRandomization",
    "RandomLogit",
    "Road",
    "Trial",
    "as_metric",
    "evaluate",
    "metric_class",
    "metric_name",
    "metric_named",
    "metric_names",
]
