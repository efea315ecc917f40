"""How much each pixel counts: attribute, one call for every method, and the methods themselves."""

from kviz.attribution.attribute import Resize
from kviz.attribution.compare import compare
from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods.ablation_cam import AblationCam
from kviz.attribution.methods.attention_rollout import AttentionRollout
from kviz.attribution.methods.cam import Cam
from kviz.attribution.methods.chefer import Chefer
from kviz.attribution.methods.deconvnet import Deconvnet
from kviz.attribution.methods.deep_lift import DeepLift
from kviz.attribution.methods.deep_shap import DeepShap
from kviz.attribution.methods.eigen_cam import EigenCam
from kviz.attribution.methods.expected_gradients import ExpectedGradients
from kviz.attribution.methods.finer_cam import FinerCam
from kviz.attribution.methods.full_grad import FullGrad
from kviz.attribution.methods.grad_cam import GradCam
from kviz.attribution.methods.grad_cam_plus_plus import GradCamPlusPlus
from kviz.attribution.methods.gradient import Gradient
from kviz.attribution.methods.guided_backprop import GuidedBackprop
from kviz.attribution.methods.guided_grad_cam import GuidedGradCam
from kviz.attribution.methods.hires_cam import HiResCam
from kviz.attribution.methods.input_x_gradient import InputXGradient
from kviz.attribution.methods.integrated_gradients import IntegratedGradients
from kviz.attribution.methods.internal_influence import InternalInfluence
from kviz.attribution.methods.kernel_shap import KernelShap
from kviz.attribution.methods.layer_cam import LayerCam
from kviz.attribution.methods.layer_integrated_gradients import LayerIntegratedGradients
from kviz.attribution.methods.lime import Lime
from kviz.attribution.methods.loss_gradient import LossGradient
from kviz.attribution.methods.lrp import Lrp
from kviz.attribution.methods.occlusion import Occlusion
from kviz.attribution.methods.rise import Rise
from kviz.attribution.methods.saliency import Saliency
from kviz.attribution.methods.score_cam import ScoreCam
from kviz.attribution.methods.shapley import Shapley
from kviz.attribution.methods.smooth_grad import SmoothGrad
from kviz.attribution.methods.square_grad import SquareGrad
from kviz.attribution.methods.var_grad import VarGrad
from kviz.attribution.methods.xgrad_cam import XGradCam
from kviz.attribution.methods.xrai import Xrai
from kviz.attribution.options import option
from kviz.attribution.registry import (
    as_method,
    method_class,
    method_name,
    method_named,
    method_names,
    title_of,
)
from kviz.attribution.typed import attribute

__all__ = [
    "AblationCam",
    "AttentionRollout",
    "Cam",
    "Chefer",
    "Deconvnet",
    "DeepLift",
    "DeepShap",
    "EigenCam",
    "ExpectedGradients",
    "FinerCam",
    "Found",
    "FullGrad",
    "GradCam",
    "GradCamPlusPlus",
    "Gradient",
    "GuidedBackprop",
    "GuidedGradCam",
    "HiResCam",
    "InputXGradient",
    "IntegratedGradients",
    "InternalInfluence",
    "KernelShap",
    "LayerCam",
    "LayerIntegratedGradients",
    "Lime",
    "LossGradient",
    "Lrp",
    "Method",
    "Occlusion",
    "Request",
    "Resize",
    "Rise",
    "Saliency",
    "ScoreCam",
    "Shapley",
    "SmoothGrad",
    "SquareGrad",
    "VarGrad",
    "XGradCam",
    "Xrai",
    "as_method",
    "attribute",
    "compare",
    "method_class",
    "method_name",
    "method_named",
    "method_names",
    "option",
    "title_of",
]
