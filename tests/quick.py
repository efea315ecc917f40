"""Options of attribution methods, for maps of 16 × 16, with which a test is quick."""

import numpy as np

# So few samples that a test is quick; what they add up to is tested with each method.
QUICK = {
    "deep_shap": {"samples": 3},
    "expected_gradients": {"samples": 4},
    "integrated_gradients": {"steps": 4},
    "internal_influence": {"steps": 4},
    "kernel_shap": {
        "samples": 40,
        "segments": np.arange(16).reshape(4, 4).repeat(4, 0).repeat(4, 1),
    },
    "layer_integrated_gradients": {"steps": 4},
    "lime": {"samples": 40, "segments": np.arange(16).reshape(4, 4).repeat(4, 0).repeat(4, 1)},
    "occlusion": {"window": 5, "stride": 3},
    "rise": {"masks": 20, "cells": 4},
    "shapley": {"segments": np.arange(4).reshape(2, 2).repeat(8, 0).repeat(8, 1)},
    "smooth_grad": {"samples": 4},
    "square_grad": {"samples": 4},
    "var_grad": {"samples": 4},
    "xrai": {"steps": 4, "segments": np.arange(16).reshape(4, 4).repeat(4, 0).repeat(4, 1)},
}
