"""One small result of every kind, made by hand, so that each number is known."""

import numpy as np

from kviz.attribution.compare import compare
from kviz.results import (
    Activations,
    Attribution,
    Certificate,
    Evaluation,
    MadeBy,
    Predictions,
    Statistic,
    Statistics,
    Synthesis,
    Weights,
)  # fmt: skip
from kviz.results.certificate import Beside


def random(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def made_by(verb, **options):
    return MadeBy(verb=verb, model="net", images_sha256=("0" * 64, "1" * 64), **options)


def activations():
    maps = {"conv": random(2, 4, 5, 3) - 100, "a/pool": random(2, 2, 2, 3, seed=1)}
    maps["conv"][0, ..., 1] = 0
    return Activations(
        maps, {"conv": "Conv2D", "a/pool": "MaxPooling2D"}, random(2, 8, 10, 3), ("cat.png",),
        made_by("activations"), ("Take care.",),
    )  # fmt: skip


def weights():
    values = {"conv/kernel": random(3, 3, 3, 4) - 100, "conv/bias": random(4)}
    return Weights(values, dict.fromkeys(values, "conv"), {}, made_by("weights"))


def predictions():
    scores = np.array([[0.125, 0.75, 0.125], [0.5, 0.25, 0.25]], "float32")
    return Predictions(scores, 2, ("a", "b", "c"), names=("cat.png",), made_by=made_by("predict"))


def attribution(method="grad_cam", classes=1, signed=False, **options):
    maps = random(2, classes, 8, 10, seed=len(method)) - 100 * signed
    indices = np.array([[1, 0, 2]] * 2, "int32")[:, :classes]
    scores = np.arange(2 * classes, dtype="float32").reshape(2, classes)
    shapes = [maps, indices, scores]
    if classes == 1:
        shapes = [array[:, 0] for array in shapes]
    maps, indices, scores = shapes
    names = tuple("abc"[index] for index in indices.reshape(-1))
    options = {"images": random(2, 8, 10, 3), "names": ("cat.png",), **options}
    options = {"made_by": made_by("attribute"), **options}
    return Attribution(maps, maps, scores, indices, names, method, **options)


def measured(metric, baseline, value, moved, **options):
    nulls = {"moved": moved, "random": (0.5,), "centre": (0.4,)}
    given = {"first": 0.2, "nulls": nulls, "null_firsts": nulls, **options}
    return Beside(metric=metric, baseline=baseline, value=value, **given)


def certificate(**options):
    """Return a certificate of a map that does better than chance."""
    given = {
        "on": "probability", "whole": 0.8, "part": 0.1,
        "tested": (
            measured("deletion", "black", 0.1, (0.2, 0.3)),
            measured("insertion", "black", 0.7, (0.6, 0.2)),
        ),
        "gap": 0.03, "top_layer": "head/classes", "top": 0.4, "every": 0.03, "noise": 0.02,
        "steady": (0.9, 0.96),
    }  # fmt: skip
    return Certificate(**{**given, **options})


def certified(**options):
    worse = (measured("deletion", "black", 0.25, (0.2, 0.3)), certificate().tested[1])
    every = (certificate(), certificate(tested=worse, untested=("noise: it is none",), gap=None))
    return attribution(certificates=every, **options)


def comparison():
    return compare([attribution(), attribution("saliency", signed=True)])


def synthesis(verb="class_image", **options):
    given = {
        "images": random(2, 6, 5, 3), "scores": np.arange(6, dtype="float32").reshape(3, 2),
        "labels": ("a", "b"), "verb": verb, "arrived": np.array([True, False]),
        "predictions": (("", "a"), ("", "c")), "classes": np.array([[-1, 0], [-1, 2]], "int32"),
        "confidences": np.array([[np.nan, 0.75], [np.nan, 0.5]], "float32"),
        "target_scores": np.array([0.75, 0.25], "float32"), "made_by": made_by(verb),
    }  # fmt: skip
    return Synthesis(**given | options)


def fooled():
    return synthesis(
        "fool", originals=random(2, 6, 5, 3, seed=1), norms=np.array([[3, 1], [4, 2]], "float32"),
        predictions=(("a", "b"), ("a", "a")), names=("cat.png",),
        classes=np.array([[0, 1], [0, 0]], "int32"), target_scores=None,
        confidences=np.array([[0.75, 0.5], [0.25, 0.25]], "float32"),
    )  # fmt: skip


def evaluation():
    generator = np.random.default_rng(2)
    curves = generator.random((2, 2, 3))
    nulls, null_curves = generator.random((2, 2, 3, 2)), generator.random((2, 3, 2, 3))
    # Of the same classes, the first two are every method's.
    nulls[:, 1, :2], null_curves[1, :2] = nulls[:, 0, :2], null_curves[0, :2]
    return Evaluation(
        values=generator.random((2, 2, 2)), null_values=nulls,
        metrics=("deletion", "mu_fidelity"), titles=("Deletion", "μ-fidelity"),
        baselines=("black", "black"), better=("lower", "higher"),
        methods=("grad_cam", "saliency"), nulls=("random", "random", "inverted"),
        curves={"0": curves}, null_curves={"0": null_curves},
        curve_at={"0": np.array([0, 0.5, 1])}, curve_axes={"0": ("share", "probability")},
        curve_points={"0": ()}, classes=np.array([[1, 0], [1, 0]], "int32"),
        class_names=("b", "a") * 2, scores=generator.random((2, 2)).astype("float32"),
        names=("cat.png",), made_by=made_by("evaluate"), notes=("Take care.",),
    )  # fmt: skip


def statistics():
    """Return every way in which a statistic is drawn."""
    channel, counts = ("channel",), np.array([[1, 0, 4], [2, 2, 0]])
    conv = {
        "moments": Statistic({"mean": np.array([1.5, -2]), "not_finite": counts[:, 1]},
                             {"mean": channel, "not_finite": channel}),
        "top_k": Statistic({"value": random(2, 3), "row": np.array([[4, 0, 1], [2, 3, 4]])},
                           dict.fromkeys(("value", "row"), ("channel", "rank")), {"k": 3}),
        "zero_share": Statistic({"share": np.array([0.25, 1])}, {"share": channel}, drawn="bars"),
        "histogram": Statistic(
            {"counts": counts, "below": counts[:, 0], "edges": np.array([-1.0, 0, 2, 3])},
            {"counts": ("channel", "bin"), "below": channel, "edges": ("edge",)}, {}, "histogram"),
        "gram": Statistic({"gram": np.array([[2, -1.5], [-1.5, 3]]), "cells": np.array(7)},
                          {"gram": ("channel", "with channel"), "cells": ()}, {}, "matrix"),
        "mean_by_class": Statistic({"mean": random(3, 2) - 100}, {"mean": ("class", "channel")}, {},
                                   "matrix"),
    }  # fmt: skip
    maps = Statistic(
        {"mean": random(3, 4, 5, 2)}, {"mean": ("class", "y", "x", "channel")}, {}, "maps"
    )
    confusion = Statistic(
        {"counts": np.array([[3, 1, 0], [0, 4, 0], [2, 0, 2]]), "unknown": np.array(1)},
        {"counts": ("class", "prediction"), "unknown": ()}, {}, "matrix",
    )  # fmt: skip
    return Statistics(
        {"conv": conv, "a/pool": {"mean_map": maps}}, {"conv": "Conv2D"}, {"confusion": confusion},
        13, ("a", "b", "c"), made_by("activations"), ("Take care.",),
    )  # fmt: skip


ALL = {
    "activations": activations, "weights": weights, "predictions": predictions,
    "attribution": attribution, "attribution of classes": lambda: attribution(classes=3, signed=True),
    "certified attribution": certified, "comparison": comparison, "evaluation": evaluation,
    "class image": synthesis, "fool": fooled, "statistics": statistics,
}  # fmt: skip
