"""kviz: look inside any Keras convnet.

A verb takes a model and images and returns a frozen result, and the result knows how to show itself.
Nothing is imported before it is used: TensorFlow takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kviz import attribution as attribution
    from kviz import callbacks as callbacks
    from kviz import dataset as dataset
    from kviz import metrics as metrics
    from kviz import scores as scores
    from kviz.attribution.compare import compare
    from kviz.attribution.typed import attribute
    from kviz.engine.activation_model import ActivationModel
    from kviz.errors import (
        ImageError,
        KvizError,
        KvizWarning,
        LayerError,
        ModelError,
        OptionError,
        OutputError,
    )
    from kviz.images import load_images
    from kviz.look import activation_model, activations, predict, weights
    from kviz.metrics.evaluate import evaluate
    from kviz.network.convert import Conversion, convert
    from kviz.network.inspection import Inspection, inspect
    from kviz.network.loading import load_model, save_model
    from kviz.network.network import Network
    from kviz.reports.report import Report, report
    from kviz.results.activations import Activations
    from kviz.results.attribution import Attribution
    from kviz.results.comparison import Comparison
    from kviz.results.evaluation import Evaluation
    from kviz.results.loading import load_result
    from kviz.results.made_by import MadeBy
    from kviz.results.predictions import Predictions
    from kviz.results.save_figure import save_figure
    from kviz.results.synthesis import Synthesis
    from kviz.results.weights import Weights
    from kviz.serve.explore import explore
    from kviz.synthesis.class_image import class_image
    from kviz.synthesis.deep_dream import deep_dream
    from kviz.synthesis.filter_patterns import filter_patterns
    from kviz.synthesis.fooling import fool
    from kviz.tiles import Tile, mosaic

__version__ = "0.1.0"

_HOMES = {
    "ActivationModel": "engine.activation_model",
    "Activations": "results.activations",
    "Attribution": "results.attribution",
    "Comparison": "results.comparison",
    "Conversion": "network.convert",
    "Evaluation": "results.evaluation",
    "ImageError": "errors",
    "Inspection": "network.inspection",
    "KvizError": "errors",
    "KvizWarning": "errors",
    "LayerError": "errors",
    "MadeBy": "results.made_by",
    "ModelError": "errors",
    "Network": "network.network",
    "OptionError": "errors",
    "OutputError": "errors",
    "Predictions": "results.predictions",
    "Report": "reports.report",
    "Synthesis": "results.synthesis",
    "Tile": "tiles",
    "Weights": "results.weights",
    "activation_model": "look",
    "activations": "look",
    "attribute": "attribution.attribute",
    "class_image": "synthesis.class_image",
    "compare": "attribution.compare",
    "convert": "network.convert",
    "deep_dream": "synthesis.deep_dream",
    "evaluate": "metrics.evaluate",
    "explore": "serve.explore",
    "filter_patterns": "synthesis.filter_patterns",
    "fool": "synthesis.fooling",
    "inspect": "network.inspection",
    "load_images": "images",
    "load_model": "network.loading",
    "load_result": "results.loading",
    "mosaic": "tiles",
    "predict": "look",
    "report": "reports.report",
    "save_figure": "results.save_figure",
    "save_model": "network.loading",
    "weights": "look",
}

__all__ = [
    "ActivationModel",
    "Activations",
    "Attribution",
    "Comparison",
    "Conversion",
    "Evaluation",
    "ImageError",
    "Inspection",
    "KvizError",
    "KvizWarning",
    "LayerError",
    "MadeBy",
    "ModelError",
    "Network",
    "OptionError",
    "OutputError",
    "Predictions",
    "Report",
    "Synthesis",
    "Tile",
    "Weights",
    "activation_model",
    "activations",
    "attribute",
    "class_image",
    "compare",
    "convert",
    "deep_dream",
    "evaluate",
    "explore",
    "filter_patterns",
    "fool",
    "inspect",
    "load_images",
    "load_model",
    "load_result",
    "mosaic",
    "predict",
    "report",
    "save_figure",
    "save_model",
    "weights",
]


# Modules that are a name of kviz's own.
_MODULES = ("attribution", "callbacks", "dataset", "metrics", "scores")


# A type checker would take any name for one of these.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"kviz.{name}")
        if name in _HOMES:
            return getattr(import_module(f"kviz.{_HOMES[name]}"), name)
        raise AttributeError(f"module 'kviz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES, "__version__"])
