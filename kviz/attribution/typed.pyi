# Made by tests/attribution/test_typing.py: change the methods, not this.

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

from kviz._types import ClassIndex, Images, ModelLike, Progress, ScoreLike, Selector
from kviz.attribution.attribute import Resize
from kviz.attribution.method import Method, Reduce
from kviz.results import Attribution

MethodName = Literal[
    "ablation_cam",
    "attention_rollout",
    "cam",
    "chefer",
    "deconvnet",
    "deep_lift",
    "deep_shap",
    "eigen_cam",
    "expected_gradients",
    "finer_cam",
    "full_grad",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient",
    "guided_backprop",
    "guided_grad_cam",
    "hires_cam",
    "input_x_gradient",
    "integrated_gradients",
    "internal_influence",
    "kernel_shap",
    "layer_cam",
    "layer_integrated_gradients",
    "lime",
    "loss_gradient",
    "lrp",
    "occlusion",
    "rise",
    "saliency",
    "score_cam",
    "shapley",
    "smooth_grad",
    "square_grad",
    "var_grad",
    "xgrad_cam",
    "xrai",
]

class Options(TypedDict, total=False):
    class_index: ClassIndex | None
    score: ScoreLike | None
    output: int | str | None
    resize: Resize
    input_name: str | None
    batch_size: int
    seed: int
    names: Sequence[str]
    progress: Progress | None

class AblationCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool

class AttentionRolloutOptions(Options, total=False):
    grid: tuple[int, int] | None

class CamOptions(Options, total=False):
    relu: bool

class CheferOptions(Options, total=False):
    grid: tuple[int, int] | None

class DeconvnetOptions(Options, total=False):
    reduce: Reduce

class DeepLiftOptions(Options, total=False):
    baseline: Any
    reduce: Reduce

class DeepShapOptions(Options, total=False):
    references: Any
    samples: int
    reduce: Reduce

class EigenCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool

class ExpectedGradientsOptions(Options, total=False):
    references: Any
    samples: int
    reduce: Reduce

class FinerCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool
    similar: int
    weight: float

class FullGradOptions(Options, total=False):
    signed: bool

class GradCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool

class GradCamPlusPlusOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool
    formula: Literal["common", "paper"]

class GradientOptions(Options, total=False):
    reduce: Reduce

class GuidedBackpropOptions(Options, total=False):
    reduce: Reduce

class GuidedGradCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    interpolation: Literal["bilinear", "nearest"]
    reduce: Reduce

class HiResCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool

class InputXGradientOptions(Options, total=False):
    reduce: Reduce

class IntegratedGradientsOptions(Options, total=False):
    baseline: Any
    steps: int
    rule: Literal["gauss_legendre", "midpoint"]
    tolerance: float | None
    reduce: Reduce

class InternalInfluenceOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    baseline: Any
    steps: int

class KernelShapOptions(Options, total=False):
    segments: Any
    samples: int
    baseline: Any

class LayerCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool

class LayerIntegratedGradientsOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    baseline: Any
    steps: int

class LimeOptions(Options, total=False):
    segments: Any
    samples: int
    baseline: Any
    distance: Literal["cosine", "euclidean"]
    width: float | None
    alpha: float

class LossGradientOptions(Options, total=False):
    reduce: Reduce

class LrpOptions(Options, total=False):
    rule: Literal[
        "epsilon",
        "z_plus",
        "alpha2_beta1",
        "gamma",
        "epsilon_plus_flat",
        "epsilon_alpha2_beta1_flat",
    ]
    first: Literal["flat", "z_box"] | None
    epsilon: float
    gamma: float
    low: float
    high: float
    reduce: Reduce

class OcclusionOptions(Options, total=False):
    window: int | tuple[int, ...] | None
    stride: int | tuple[int, ...] | None
    baseline: Any
    overlap: Literal["mean", "sum"]

class RiseOptions(Options, total=False):
    masks: int
    cells: int | tuple[int, ...]
    p: float
    baseline: Any
    centred: bool

class SaliencyOptions(Options, total=False):
    reduce: Reduce

class ScoreCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool
    max_channels: int | None
    baseline: Any

class ShapleyOptions(Options, total=False):
    segments: Any
    baseline: Any

class SmoothGradOptions(Options, total=False):
    base: Method | MethodName
    samples: int
    noise_level: float
    reduce: Literal["base", "max_abs", "sum"] | None

class SquareGradOptions(Options, total=False):
    base: Method | MethodName
    samples: int
    noise_level: float
    reduce: Literal["base", "max_abs", "sum"] | None

class VarGradOptions(Options, total=False):
    base: Method | MethodName
    samples: int
    noise_level: float
    reduce: Literal["base", "max_abs", "sum"] | None

class XGradCamOptions(Options, total=False):
    layer_names: Selector
    grid: tuple[int, int] | None
    relu: bool

class XraiOptions(Options, total=False):
    segments: Any
    baseline: Any
    steps: int
    min_size: int | None

@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["ablation_cam"],
    **options: Unpack[AblationCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["attention_rollout"],
    **options: Unpack[AttentionRolloutOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["cam"],
    **options: Unpack[CamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["chefer"],
    **options: Unpack[CheferOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["deconvnet"],
    **options: Unpack[DeconvnetOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["deep_lift"],
    **options: Unpack[DeepLiftOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["deep_shap"],
    **options: Unpack[DeepShapOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["eigen_cam"],
    **options: Unpack[EigenCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["expected_gradients"],
    **options: Unpack[ExpectedGradientsOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["finer_cam"],
    **options: Unpack[FinerCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["full_grad"],
    **options: Unpack[FullGradOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["grad_cam"] = ...,
    **options: Unpack[GradCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["grad_cam_plus_plus"],
    **options: Unpack[GradCamPlusPlusOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["gradient"],
    **options: Unpack[GradientOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["guided_backprop"],
    **options: Unpack[GuidedBackpropOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["guided_grad_cam"],
    **options: Unpack[GuidedGradCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["hires_cam"],
    **options: Unpack[HiResCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["input_x_gradient"],
    **options: Unpack[InputXGradientOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["integrated_gradients"],
    **options: Unpack[IntegratedGradientsOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["internal_influence"],
    **options: Unpack[InternalInfluenceOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["kernel_shap"],
    **options: Unpack[KernelShapOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["layer_cam"],
    **options: Unpack[LayerCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["layer_integrated_gradients"],
    **options: Unpack[LayerIntegratedGradientsOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["lime"],
    **options: Unpack[LimeOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["loss_gradient"],
    **options: Unpack[LossGradientOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["lrp"],
    **options: Unpack[LrpOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["occlusion"],
    **options: Unpack[OcclusionOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["rise"],
    **options: Unpack[RiseOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["saliency"],
    **options: Unpack[SaliencyOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["score_cam"],
    **options: Unpack[ScoreCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["shapley"],
    **options: Unpack[ShapleyOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["smooth_grad"],
    **options: Unpack[SmoothGradOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["square_grad"],
    **options: Unpack[SquareGradOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["var_grad"],
    **options: Unpack[VarGradOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["xgrad_cam"],
    **options: Unpack[XGradCamOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike,
    images: Images,
    method: Literal["xrai"],
    **options: Unpack[XraiOptions],
) -> Attribution: ...
@overload
def attribute(
    model: ModelLike, images: Images, method: Method, **options: Unpack[Options]
) -> Attribution: ...
