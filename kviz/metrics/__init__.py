"""Whether maps can be trusted: metrics, what chance gives, and evaluate, one call for all of them."""

from kviz.metrics.evaluate import evaluate
from kviz.metrics.measures.average_drop import AverageDrop
from kviz.metrics.measures.average_gain import AverageGain
from kviz.metrics.measures.average_increase import AverageIncrease
from kviz.metrics.measures.average_stability import AverageStability
from kviz.metrics.measures.completeness import Completeness
from kviz.metrics.measures.complexity import Complexity
from kviz.metrics.measures.deletion import Deletion
from kviz.metrics.measures.efficient_parameter_randomization import EfficientParameterRandomization
from kviz.metrics.measures.infidelity import Infidelity
from kviz.metrics.measures.insertion import Insertion
from kviz.metrics.measures.max_sensitivity import MaxSensitivity
from kviz.metrics.measures.mu_fidelity import MuFidelity
from kviz.metrics.measures.parameter_randomization import ParameterRandomization
from kviz.metrics.measures.pointing_game import PointingGame
from kviz.metrics.measures.random_logit import RandomLogit
from kviz.metrics.measures.relevance_mass import RelevanceMass
from kviz.metrics.measures.relevance_rank import RelevanceRank
from kviz.metrics.measures.road import Road
from kviz.metrics.measures.sensitivity_n import SensitivityN
from kviz.metrics.measures.sparseness import Sparseness
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
    "AverageStability",
    "Completeness",
    "Complexity",
    "Deletion",
    "EfficientParameterRandomization",
    "Infidelity",
    "Insertion",
    "MaxSensitivity",
    "Measured",
    "Metric",
    "MuFidelity",
    "ParameterRandomization",
    "PointingGame",
    "RandomLogit",
    "RelevanceMass",
    "RelevanceRank",
    "Road",
    "SensitivityN",
    "Sparseness",
    "Trial",
    "as_metric",
    "evaluate",
    "metric_class",
    "metric_name",
    "metric_named",
    "metric_names",
]
