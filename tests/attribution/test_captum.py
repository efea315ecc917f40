"""Every method that captum has too, on three nets whose weights are carried over to PyTorch.

LRP's composites, which captum does not have, are zennit's (0.5). What both say is frozen in
`tests/referee/captum.npz`, so that every run has it. Where PyTorch, captum and zennit are installed
(`pip install -e ".[test,referee]"`) they are asked again, and have to say what is frozen;
`python tests/attribution/test_captum.py` asks them and freezes that anew.

All is computed in double precision, so that what remains is single precision in what kviz returns and
in what is frozen, and what captum rounds on its way. Methods that captum does not have: cam (but for
its equation), eigen_cam, grad_cam_plus_plus, layer_cam, rise, score_cam, xgrad_cam.
"""

import os
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import attribute
from kviz.attribution.methods.gradient import Gradient

FROZEN = Path(__file__).parents[1] / "referee/captum.npz"
FREEZES = "KVIZ_FREEZE_CAPTUM"
LIVE = all(find_spec(name) is not None for name in ("torch", "captum", "zennit"))
if LIVE:
    import torch
    from captum import attr as captum
    from captum._utils.models import linear_model as captum_models
    from captum.attr._core import deep_lift as captum_deep_lift
    from captum.attr._core import lime as captum_lime
    from captum.attr._utils import lrp_rules as captum_rules
    from torch import nn
    from torch.nn import Module
    from zennit import composites, rules, types
else:
    Module = object

CLASSES = [1, 3, 2]
# captum says that it changes what it is asked to change.
HOOKS = pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations:UserWarning")


# The three nets, in Keras and in PyTorch: a part has the same name in both.


def plain():
    """Return convolutions with ReLU as an argument, max pooling, flatten, dense, fused softmax."""
    inputs = keras.Input((12, 12, 3), dtype="float64")
    x = layers.Conv2D(6, 3, activation="relu", name="one")(inputs)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(8, 2, activation="relu", name="two")(x)
    x = layers.MaxPooling2D(2, name="top")(x)
    x = layers.Dense(10, activation="relu", name="hidden")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(4, activation="softmax", name="dense")(x))


class Plain(Module):
    def __init__(self, model):
        super().__init__()
        self.one = nn.Sequential(carried(model, "one"), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.two = nn.Sequential(carried(model, "two"), nn.ReLU())
        self.top = nn.MaxPool2d(2)
        self.hidden = nn.Sequential(carried(model, "hidden"), nn.ReLU())
        self.dense = carried(model, "dense")

    def forward(self, x):
        x = self.top(self.two(self.pool(self.one(x))))
        return self.dense(self.hidden(flat(x)))


def normed():
    """Return batch normalisation, average pooling and a global average, softmax in a layer."""
    inputs = keras.Input((12, 12, 3), dtype="float64")
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="one")(inputs)
    x = layers.BatchNormalization(name="norm_one")(x)
    x = layers.ReLU(name="relu_one")(x)
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = layers.Conv2D(8, 3, name="two")(x)
    x = layers.BatchNormalization(name="norm_two")(x)
    x = layers.ReLU(name="relu_two")(x)
    x = layers.Dense(4, name="dense")(layers.GlobalAveragePooling2D(name="mean")(x))
    return keras.Model(inputs, layers.Softmax()(x))


class Normed(Module):
    def __init__(self, model):
        super().__init__()
        self.one = carried(model, "one", padding=1)
        self.norm_one = carried(model, "norm_one")
        self.relu_one = nn.ReLU()
        self.pool = nn.AvgPool2d(2)
        self.two = carried(model, "two")
        self.norm_two = carried(model, "norm_two")
        self.relu_two = nn.ReLU()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.dense = carried(model, "dense")

    def forward(self, x):
        x = self.pool(self.relu_one(self.norm_one(self.one(x))))
        x = self.mean(self.relu_two(self.norm_two(self.two(x))))
        return self.dense(flat(x))


def residual():
    """Return strided convolutions, both paddings, ReLU6, leaky ReLU and a sum, without softmax."""
    inputs = keras.Input((12, 12, 3), dtype="float64")
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="one")(inputs)
    x = layers.ReLU(6, name="relu_one")(x)
    branch = layers.Conv2D(8, 3, padding="same", name="two")(x)
    branch = layers.LeakyReLU(0.1, name="leaky")(branch)
    x = layers.Add(name="add")([layers.Conv2D(8, 1, name="short")(x), branch])
    x = layers.ReLU(name="relu_two")(x)
    x = layers.Conv2D(8, 2, strides=2, activation="relu", name="three")(x)
    return keras.Model(inputs, layers.Dense(4, name="dense")(layers.Flatten()(x)))


class ReLU6(nn.ReLU if LIVE else object):
    """ReLU6 as a kind of ReLU: captum changes the gradients of these only, kviz both."""

    def forward(self, x):
        return nn.functional.relu6(x)


class Sum(Module):
    def forward(self, x, y):
        return x + y


class Residual(Module):
    def __init__(self, model):
        super().__init__()
        # Where a side is even, TensorFlow pads behind only.
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.one = carried(model, "one")
        self.relu_one = ReLU6()
        self.two = carried(model, "two", padding=1)
        self.leaky = nn.LeakyReLU(0.1)
        self.short = carried(model, "short")
        self.add = Sum()
        self.relu_two = nn.ReLU()
        self.three = nn.Sequential(carried(model, "three"), nn.ReLU())
        self.dense = carried(model, "dense")

    def forward(self, x):
        x = self.relu_one(self.one(self.pad(x)))
        x = self.relu_two(self.add(self.short(x), self.leaky(self.two(x))))
        return self.dense(flat(self.three(x)))


def flat(x):
    """Flatten as Keras does, channels last."""
    return x.permute(0, 2, 3, 1).flatten(1)


def carried(model, name, padding=0):
    """Return a Keras layer as a PyTorch module with its weights."""
    layer = model.get_layer(name)
    if isinstance(layer, layers.BatchNormalization):
        module = nn.BatchNorm2d(layer.gamma.shape[0], eps=layer.epsilon)
        weights = [layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance]
        targets = [module.weight, module.bias, module.running_mean, module.running_var]
    elif isinstance(layer, layers.Dense):
        module = nn.Linear(*layer.kernel.shape)
        weights, targets = [layer.kernel, layer.bias], [module.weight, module.bias]
    else:
        *size, depth, filters = layer.kernel.shape
        module = nn.Conv2d(depth, filters, size, layer.strides, padding, bias=layer.use_bias)
        weights, targets = [layer.kernel, layer.bias], [module.weight, module.bias]
    for weight, target in zip(weights, targets, strict=True):
        if target is not None:
            array = np.array(weight)
            axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, (0,))
            target.data = torch.tensor(array.transpose(axes))
    return module


@dataclass
class Net:
    """A net in Keras, in PyTorch, and the layers that are looked at."""

    keras: kviz.Network
    torch: Module | None
    layers: tuple[str, ...]


def made(build, twin, *names):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        model = build()
    finally:
        keras.config.set_dtype_policy(before)
    random = np.random.default_rng(5)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 2, weight.shape))
            if weight.name == "gamma":
                weight.assign(weight * random.choice([-1, 1], weight.shape))
        else:
            fan = max(1, np.prod(weight.shape[:-1]))
            weight.assign(random.normal(0, np.sqrt(2 / fan), weight.shape))
    return Net(kviz.Network(model), twin(model).eval() if LIVE else None, names)


@pytest.fixture(scope="module")
def nets():
    if LIVE:
        # For so little work threads cost more than they save.
        torch.set_num_threads(1)
    return {
        "plain": made(plain, Plain, "one", "pool", "two", "top"),
        "normed": made(normed, Normed, "one", "norm_one", "pool", "relu_two"),
        "residual": made(residual, Residual, "one", "relu_one", "add", "three"),
    }


@pytest.fixture(params=["plain", "normed", "residual"])
def net(request, nets):
    return nets[request.param]


# Signed, and so wide that ReLU6 meets its ceiling.
X = np.random.default_rng(3).normal(0, 4, (3, 12, 12, 3))
LOW = np.random.default_rng(1).normal(0, 1, (12, 12, 3))
# Four players, the pixels of each in several places.
PARTS = np.add.outer(np.arange(12) // 3, np.arange(12) // 4) % 4
NINE = np.add.outer(np.arange(12) // 4 * 3, np.arange(12) // 4)


def tensor(images):
    """Return images `(N, H, W, channels)` as PyTorch has them."""
    return torch.tensor(np.moveaxis(images, -1, 1)).requires_grad_()


def array(found):
    """Return what captum found, channels last."""
    return np.moveaxis(found.detach().numpy(), 1, -1)


def lower(low):
    """Return a baseline as captum takes it."""
    return tensor(low[None]).detach() if low is LOW else low


def found_by(net, method, **options):
    return attribute(net.keras, X, method, class_index=CLASSES, **options).maps


@pytest.fixture(scope="module")
def frozen():
    """Return what captum said, by test; what it says now is written where that is asked for."""
    if FREEZES in os.environ:
        new = {}
        yield new
        FROZEN.parent.mkdir(exist_ok=True)
        np.savez_compressed(FROZEN, **new)
        return
    with np.load(FROZEN) as held:
        yield dict(held)


@pytest.fixture
def said(request, frozen):
    """Return a function that gives what captum says, from now or from then."""
    count = 0

    def ask(function):
        nonlocal count
        count += 1
        key = f"{request.node.name} {count}"
        if not LIVE:
            return frozen[key].astype("float64")
        now = np.asarray(function())
        if FREEZES in os.environ:
            # No number of single precision is farther from it than kviz's may be.
            frozen[key] = now.astype("float32")
        scale = np.abs(now).max()
        assert np.abs(frozen[key] - now).max() <= 1e-6 * scale, "captum says what is not frozen"
        return now

    return ask


@pytest.fixture
def close(record_property):
    """Compare by the largest difference, relative to the largest value, of which there are many."""
    differences = []

    def check(actual, expected, relative=1e-6):
        actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
        assert actual.shape == expected.shape
        assert len(np.unique(expected)) > 3
        assert all(image.any() for image in expected)
        differences.append(float(np.abs(actual - expected).max() / np.abs(expected).max()))
        assert differences[-1] <= relative

    yield check
    record_property("difference", max(differences, default=None))


def test_the_nets_are_the_same(net, said, close):
    for name in net.layers:

        def theirs(name=name):
            module = getattr(net.torch, name)
            return array(captum.LayerActivation(net.torch, module).attribute(tensor(X)))

        close(kviz.activations(net.keras, X, name)[name], said(theirs))
    scores = attribute(net.keras, X, "gradient", class_index=[[0, 1, 2, 3]]).scores
    close(scores, said(lambda: net.torch(tensor(X)).detach()))


def test_relu6_meets_its_ceiling(nets):
    maps = kviz.activations(nets["residual"].keras, X, "one")["one"]
    assert ((maps > 6).sum((1, 2, 3)) > 10).all()


# Gradients.


def test_saliency(net, said, close):
    expected = said(lambda: array(captum.Saliency(net.torch).attribute(tensor(X), CLASSES)))
    close(found_by(net, "saliency", reduce=None), expected)
    close(found_by(net, "saliency"), expected.max(-1))


def test_gradient(net, said, close):
    expected = said(
        lambda: array(captum.Saliency(net.torch).attribute(tensor(X), CLASSES, abs=False))
    )
    close(found_by(net, "gradient", reduce=None), expected)


def test_loss_gradient(net, said, close):
    def losses(images):
        return nn.functional.cross_entropy(
            net.torch(images), torch.tensor(CLASSES), reduction="none"
        )

    expected = said(lambda: array(captum.Saliency(losses).attribute(tensor(X), abs=False)))
    close(found_by(net, "loss_gradient", reduce=None), expected)


def test_input_x_gradient(net, said, close):
    expected = said(lambda: array(captum.InputXGradient(net.torch).attribute(tensor(X), CLASSES)))
    close(found_by(net, "input_x_gradient", reduce=None), expected)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("low", [0, LOW], ids=["black", "array"])
@pytest.mark.parametrize(
    ("rule", "theirs"), [("gauss_legendre", "gausslegendre"), ("midpoint", "riemann_middle")]
)
@pytest.mark.parametrize("steps", [2, 20])
def test_integrated_gradients(net, said, close, rule, theirs, low, steps):
    expected = said(
        lambda: array(
            captum.IntegratedGradients(net.torch).attribute(
                tensor(X), lower(low), CLASSES, n_steps=steps, method=theirs
            )
        )
    )
    options = {"reduce": None, "rule": rule, "baseline": low, "steps": steps}
    close(found_by(net, "integrated_gradients", **options), expected)


class Recorded:
    """A random generator that tells what it draws."""

    def __init__(self, random, shares, picks):
        self.own, self.shares, self.picks = random, shares, picks

    def random(self):
        self.shares.append(self.own.random())
        return self.shares[-1]

    def integers(self, high):
        self.picks.append(self.own.integers(high))
        return self.picks[-1]


# One image at a time, of which it does not matter in what order kviz draws: captum gets the same.
ONE = pytest.mark.parametrize("place", range(3))


@ONE
def test_expected_gradients(net, said, close, monkeypatch, place):
    image, index = X[place, None], CLASSES[place]
    references = np.random.default_rng(2).normal(0, 2, (4, 12, 12, 3))
    options = {"references": references, "samples": 9, "reduce": None, "class_index": index}
    own, shares, picks = np.random.default_rng, [], []
    with monkeypatch.context() as patch:
        patch.setattr(np.random, "default_rng", lambda *a: Recorded(own(*a), shares, picks))
        found = attribute(net.keras, image, "expected_gradients", **options)
    assert len(set(picks)) > 2

    def given():
        monkeypatch.setattr(np.random, "uniform", lambda *_: np.array(shares))
        monkeypatch.setattr(np.random, "choice", lambda *_: np.array(picks))
        shap = captum.GradientShap(net.torch)
        low = tensor(references).detach()
        return array(shap.attribute(tensor(image), low, 9, 0.0, target=index))

    close(found.maps, said(given))


@dataclass(frozen=True, kw_only=True)
class Seen(Gradient):
    """The gradient, and the images that it was asked for."""

    images: list = field(default_factory=list)

    def maps(self, request):
        self.images.append(np.array(request.images))
        return super().maps(request)


@pytest.mark.some(every=2)
@ONE
@pytest.mark.parametrize(
    ("method", "theirs"),
    [("smooth_grad", "smoothgrad"), ("square_grad", "smoothgrad_sq"), ("var_grad", "vargrad")],
)
def test_noise(net, said, close, monkeypatch, method, theirs, place):
    image, index, base = X[place, None], CLASSES[place], Seen()
    options = {"base": base, "samples": 19, "noise_level": 0.2, "reduce": None}
    found = attribute(net.keras, image, method, class_index=index, **options)
    noise = np.concatenate(base.images) - image
    # captum is told a deviation, of which kviz's is a share of the image's range.
    assert noise.std() == pytest.approx(0.2 * np.ptp(image), rel=0.05)

    def given():
        monkeypatch.setattr(torch, "normal", lambda *_: tensor(noise).detach())
        tunnel = captum.NoiseTunnel(captum.Saliency(net.torch))
        return array(tunnel.attribute(tensor(image), theirs, 19, target=index, abs=False))

    close(found.maps, said(given))


@HOOKS
@pytest.mark.parametrize(
    ("method", "theirs"), [("guided_backprop", "GuidedBackprop"), ("deconvnet", "Deconvolution")]
)
def test_changed_relu(net, said, close, method, theirs):
    expected = said(lambda: array(getattr(captum, theirs)(net.torch).attribute(tensor(X), CLASSES)))
    found = found_by(net, method, reduce=None)
    close(found, expected)
    plain = found_by(net, "gradient", reduce=None)
    assert np.abs(found - plain).max() > 0.1 * np.abs(plain).max()


# Class activation maps.


@pytest.mark.some(every=2)
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("layer", range(4))
def test_grad_cam(net, said, close, layer, relu):
    name = net.layers[layer]
    options = {"layer_names": name, "relu": relu}

    def cam():
        layer_cam = captum.LayerGradCam(net.torch, getattr(net.torch, name))
        return layer_cam.attribute(tensor(X), CLASSES, relu_attributions=relu)

    expected = said(lambda: array(cam())[..., 0])
    close(found_by(net, "grad_cam", resize=None, **options), expected)
    # PyTorch's "nearest" takes a pixel's upper left corner, kviz and "nearest-exact" its middle.
    for resize, theirs in (("bilinear", "bilinear"), ("nearest", "nearest-exact")):
        wide = said(
            lambda theirs=theirs: array(
                captum.LayerAttribution.interpolate(cam(), (12, 12), theirs)
            )[..., 0]
        )
        close(found_by(net, "grad_cam", resize=resize, **options), wide)


@HOOKS
@pytest.mark.parametrize("layer", range(4))
def test_guided_grad_cam(net, said, close, layer):
    name = net.layers[layer]

    def theirs():
        guided = captum.GuidedGradCam(net.torch, getattr(net.torch, name))
        return array(guided.attribute(tensor(X), CLASSES, interpolate_mode="bilinear"))

    close(found_by(net, "guided_grad_cam", layer_names=name, reduce=None), said(theirs))


def product_of(net, name):
    product = captum.LayerGradientXActivation(net.torch, getattr(net.torch, name))
    return array(product.attribute(tensor(X), CLASSES)).sum(-1)


@pytest.mark.parametrize("layer", range(4))
def test_hires_cam(net, said, close, layer):
    name = net.layers[layer]
    expected = said(lambda: product_of(net, name))
    options = {"layer_names": name, "resize": None}
    close(found_by(net, "hires_cam", relu=False, **options), expected)
    close(found_by(net, "hires_cam", **options), expected.clip(0))


def test_cam(nets, said, close):
    net = nets["normed"]
    # The gradient behind a global average is the class's weight, divided by 16 positions.
    expected = 16 * said(lambda: product_of(net, "relu_two"))
    close(found_by(net, "cam", relu=False, resize=None), expected)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("layer", range(4))
def test_ablation_cam(net, said, close, layer):
    name = net.layers[layer]

    def theirs():
        module = getattr(net.torch, name)
        maps = captum.LayerActivation(net.torch, module).attribute(tensor(X))
        falls = captum.LayerFeatureAblation(net.torch, module).attribute(
            tensor(X), target=CLASSES, layer_mask=torch.arange(maps.shape[1])[None, :, None, None]
        )
        # captum stops at how much the score falls without a channel.
        scores = net.torch(tensor(X))[range(3), CLASSES][:, None, None, None]
        return array(falls / scores * maps).sum(-1)

    expected = said(theirs)
    options = {"layer_names": name, "resize": None}
    close(found_by(net, "ablation_cam", relu=False, **options), expected)
    close(found_by(net, "ablation_cam", **options), expected.clip(0))


# Perturbation.


@pytest.mark.some(every=2)
@pytest.mark.parametrize("low", [0.5, LOW], ids=["number", "array"])
@pytest.mark.parametrize(
    ("window", "stride"), [((4, 4), (2, 2)), ((5, 4), (3, 2)), ((3, 12), (3, 12)), ((1, 2), (1, 1))]
)
def test_occlusion(net, said, close, window, stride, low):
    # All channels at once, as kviz covers them; both give overlaps their mean and cut at the border.
    def theirs():
        captums = captum.Occlusion(net.torch)
        maps = array(captums.attribute(tensor(X), (3, *window), (3, *stride), lower(low), CLASSES))
        assert (maps == maps[..., :1]).all()
        return maps[..., 0]

    found = found_by(net, "occlusion", window=window, stride=stride, baseline=low)
    close(found, said(theirs))


@pytest.mark.parametrize("low", [0, LOW], ids=["black", "array"])
@pytest.mark.parametrize("method", ["shapley", "kernel_shap"])
def test_shapley(net, said, close, method, low):
    # kernel_shap has all coalitions of four players, and is exact.
    def theirs():
        values = captum.ShapleyValues(net.torch).attribute(
            tensor(X),
            lower(low),
            CLASSES,
            feature_mask=torch.tensor(PARTS)[None, None],
            perturbations_per_eval=4,
        )
        return array(values)[..., 0]

    close(found_by(net, method, segments=PARTS, baseline=low), said(theirs))


def coalitions_of(method, monkeypatch):
    """Return a list that will hold, for each image, the coalitions that a method draws."""
    module = import_module(f"kviz.attribution.methods.{method}")
    own, drawn = module.coalition_scores, []

    def recording(request, labels, coalitions, baseline):
        drawn.extend(coalitions)
        return own(request, labels, coalitions, baseline)

    monkeypatch.setattr(module, "coalition_scores", recording)
    return drawn


def of_each_image(make, drawn):
    """Return captum's coefficients from kviz's coalitions."""

    def given(coalitions):
        def perturbed(*_, **__):
            for row in coalitions:
                yield torch.tensor(row[None].astype(int))

        return perturbed

    return np.concatenate(
        [
            array(
                make(given(coalitions)).attribute(
                    tensor(X[place, None]),
                    lower(LOW),
                    CLASSES[place],
                    feature_mask=torch.tensor(NINE)[None, None],
                    n_samples=len(coalitions),
                    perturbations_per_eval=50,
                )
            )
            for place, coalitions in enumerate(drawn)
        ]
    )[..., 0]


def test_kernel_shap_from_the_same_samples(net, said, close, monkeypatch):
    drawn = coalitions_of("kernel_shap", monkeypatch)
    found = found_by(net, "kernel_shap", segments=NINE, samples=100, baseline=LOW)
    assert len(drawn[0]) == 100

    def theirs(perturbed):
        shap = captum.KernelShap(net.torch)
        shap.perturb_func = perturbed
        return shap

    # captum asks for the sum by a weight of a million, kviz exactly.
    close(found, said(lambda: of_each_image(theirs, drawn)), 1e-4)


@pytest.mark.parametrize(("distance", "width"), [("cosine", 0.25), ("euclidean", 0.75 * 3)])
def test_lime_from_the_same_samples(net, said, close, monkeypatch, distance, width):
    drawn = coalitions_of("lime", monkeypatch)
    found = found_by(net, "lime", segments=NINE, samples=100, baseline=LOW, distance=distance)

    # captum measures distances between images by default, kviz and LIME's authors between what is
    # kept of them.
    def near(image, perturbed, kept, **_):  # noqa: ARG001
        kernel = captum_lime.get_exp_kernel_similarity_function(distance, width)
        return kernel(torch.ones_like(kept), kept, None)

    def theirs(perturbed):
        ridge = captum_models.SkLearnRidge(alpha=1.0)
        return captum.Lime(net.torch, ridge, similarity_func=near, perturb_func=perturbed)

    # captum fits in single precision.
    close(found, said(lambda: of_each_image(theirs, drawn)), 1e-5)


# Relevance.


def relevance(net, images, rule, epsilon):
    """Return captum's LRP by kviz's rule.

    captum adds epsilon to what every module returns, kviz only where an activation function follows:
    elsewhere captum gets as little as keeps it from dividing by 0.
    """
    kinds, least = (nn.ReLU, nn.LeakyReLU), 1e-30
    leaves = [module for module in net.modules() if not list(module.children())]
    for module, following in zip(leaves, [*leaves[1:], None], strict=True):
        if isinstance(module, kinds):
            # captum knows ReLU only: through the others relevance passes in the same way.
            if type(module) is not nn.ReLU:
                module.rule = captum_rules.IdentityRule()
        elif rule == "z_plus" and isinstance(module, nn.Conv2d):
            # What pixels contribute counts, without the bias.
            module.rule = captum_rules.Alpha1_Beta0_Rule(set_bias_to_zero=True)
            module.rule.STABILITY_FACTOR = epsilon
        elif type(module) is not nn.Dropout:
            module.rule = captum_rules.EpsilonRule(
                epsilon if isinstance(following, kinds) else least
            )
    return array(captum.LRP(net).attribute(images, CLASSES))


@pytest.mark.parametrize("epsilon", [1e-9, 0.5])
def test_lrp_epsilon(net, said, close, epsilon):
    expected = said(lambda: relevance(net.torch, tensor(X), "epsilon", epsilon))
    close(found_by(net, "lrp", epsilon=epsilon, reduce=None), expected)


@pytest.mark.parametrize("epsilon", [1e-9, 0.5])
def test_lrp_z_plus(net, said, close, epsilon):
    expected = said(lambda: z_plus_relevance(net, epsilon))
    close(found_by(net, "lrp", rule="z_plus", epsilon=epsilon, reduce=None), expected)


def fused(net):
    """Return a copy in which batch normalisation, which has no such rule, is in the convolution."""
    twin = deepcopy(net.torch)
    if isinstance(twin, Normed):
        for name in ("one", "two"):
            conv, norm = getattr(twin, name), getattr(twin, f"norm_{name}")
            setattr(twin, name, nn.utils.fusion.fuse_conv_bn_eval(conv, norm))
            setattr(twin, f"norm_{name}", nn.Dropout())
        twin.eval()
    return twin


def z_plus_relevance(net, epsilon):
    twin = fused(net)
    # captum's rule is about inputs of 0 and more: those below are channels of their own, of which
    # the weights are turned over.
    first = next(module for module in twin.modules() if isinstance(module, nn.Conv2d))
    first.weight.data = torch.cat([first.weight, -first.weight], 1).data
    halves = torch.cat([tensor(X).clamp(min=0), -tensor(X).clamp(max=0)], 1).detach()
    found = relevance(twin, halves.requires_grad_(), "z_plus", epsilon)
    return found[..., :3] + found[..., 3:]


@pytest.mark.parametrize("name", ["plain", "normed"])
@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({"rule": "epsilon_plus_flat"}, "EpsilonPlusFlat"),
        ({"rule": "epsilon_alpha2_beta1_flat"}, "EpsilonAlpha2Beta1Flat"),
        ({"rule": "gamma", "first": "z_box", "low": -20.0, "high": 25.0}, "EpsilonGammaBox"),
    ],
    ids=["plus", "alpha2 beta1", "gamma"],
)
def test_lrp_composites(nets, name, said, close, options, theirs):
    net, epsilon = nets[name], 1e-9

    def relevance():
        twin, named = fused(net), {"epsilon": epsilon, "stabilizer": epsilon}
        if theirs == "EpsilonGammaBox":
            named |= {"low": -20.0, "high": 25.0}
        else:
            # What inputs contribute counts in kviz, without the bias.
            kind = rules.ZPlus if theirs == "EpsilonPlusFlat" else rules.AlphaBeta
            rule = kind(stabilizer=epsilon, zero_params=["bias"])
            named["layer_map"] = [(types.Convolution, rule)]
        images = tensor(X)
        with getattr(composites, theirs)(**named).context(twin) as changed:
            scores = changed(images)
            wanted = torch.nn.functional.one_hot(torch.tensor(CLASSES), 4) * scores.detach()
            return array(torch.autograd.grad(scores, images, wanted)[0])

    found = found_by(net, "lrp", epsilon=epsilon, reduce=None, **options)
    close(found, said(relevance))


# captum says that it puts hooks in, and takes them out again.
DEEP = pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")


@DEEP
@pytest.mark.parametrize("low", [0, LOW], ids=["black", "array"])
def test_deep_lift(net, said, close, low):
    def theirs():
        lift = captum.DeepLift(apart(net))
        return array(lift.attribute(tensor(X), lower(low), CLASSES))

    with relu6_is_known():
        expected = said(theirs)
    close(found_by(net, "deep_lift", reduce=None, baseline=low), expected)


@DEEP
def test_deep_shap(net, said, close):
    references = np.random.default_rng(2).normal(0, 2, (4, 12, 12, 3))

    def theirs():
        shap = captum.DeepLiftShap(apart(net))
        return array(shap.attribute(tensor(X), tensor(references).detach(), CLASSES))

    with relu6_is_known():
        expected = said(theirs)
    close(found_by(net, "deep_shap", reduce=None, references=references), expected)


class Copied(Module):
    def forward(self, x):
        return x.clone()


def apart(net):
    """Return a copy in which no pooling is right behind a ReLU: captum's hooks of both are on one
    tensor then, and ReLU's looks at the gradient before pooling's has changed it."""
    twin = deepcopy(net.torch)
    for name, module in list(twin.named_children()):
        if isinstance(module, nn.MaxPool2d):
            setattr(twin, name, nn.Sequential(Copied(), module))
    return twin


@contextmanager
def relu6_is_known():
    """captum looks a module's class up, and does not know that of the test's own."""
    with pytest.MonkeyPatch.context() as patch:
        if LIVE:
            known = captum_deep_lift.SUPPORTED_NON_LINEAR
            patch.setitem(known, ReLU6, captum_deep_lift.nonlinear)
        yield


if __name__ == "__main__":
    os.environ[FREEZES] = "1"
    raise SystemExit(pytest.main([__file__, "-q"]))
