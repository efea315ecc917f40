"""The frozen results: what they hold, how they show themselves, their round trip to disk."""

from kviz.results.activations import Activations
from kviz.results.attribution import Attribution
from kviz.results.certificate import Certificate
from kviz.results.comparison import Comparison
from kviz.results.evaluation import Evaluation
from kviz.results.loading import AnyResult, load_result
from kviz.results.made_by import MadeBy
from kviz.results.predictions import Predictions
from kviz.results.statistic import Statistic
from kviz.results.statistics import Statistics
from kviz.results.synthesis import Synthesis
from kviz.results.weights import KernelForm, Weights

__all__ = [
    "Activations", "AnyResult", "Attribution", "Certificate", "Comparison", "Evaluation", "KernelForm",
    "MadeBy", "Predictions", "Statistic", "Statistics", "Synthesis", "Weights", "load_result",
]  # fmt: skip
