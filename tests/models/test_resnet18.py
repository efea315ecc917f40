"""ResNet-18: torchvision's names and numbers, against NumPy and, where it is installed, PyTorch.

The comparison with PyTorch needs `pip install -e ".[test,referee]"`.
"""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from refusals import refused

import kviz

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("resnet18", ROOT / "models/resnet18.py")
resnet18 = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(resnet18)

REASON = 'PyTorch judges ResNet-18 where it is installed: pip install -e ".[test,referee]"'
CAT = ROOT / "notebooks/images/cat.png"
# torchvision's preprocessing, as its documentation of ResNet18_Weights gives it.
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def norm(name, width):
    return {
        f"{name}.weight": (width,),
        f"{name}.bias": (width,),
        f"{name}.running_mean": (width,),
        f"{name}.running_var": (width,),
        f"{name}.num_batches_tracked": (),
    }


def shapes(classes=1000):
    """Return the shape of each of the 122 entries of torchvision's resnet18().state_dict()."""
    found = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    before = 64
    for number, width in enumerate((64, 128, 256, 512), 1):
        for place in (0, 1):
            block = f"layer{number}.{place}"
            found[f"{block}.conv1.weight"] = (width, before, 3, 3)
            found |= norm(f"{block}.bn1", width)
            found[f"{block}.conv2.weight"] = (width, width, 3, 3)
            found |= norm(f"{block}.bn2", width)
            if before != width:
                found[f"{block}.downsample.0.weight"] = (width, before, 1, 1)
                found |= norm(f"{block}.downsample.1", width)
            before = width
    return {**found, "fc.weight": (classes, 512), "fc.bias": (classes,)}


def random_state(seed=0, classes=1000):
    """Return a state_dict with random numbers in all places, running statistics too."""
    random, state = np.random.default_rng(seed), {}
    for key, shape in shapes(classes).items():
        if key.endswith("num_batches_tracked"):
            state[key] = np.array(7)
            continue
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 25
        spread = (2 / fan) ** 0.5
        around = 1 if key.endswith("running_var") or (len(shape) == 1 and ".weight" in key) else 0
        values = random.normal(0, spread, shape) + around
        if key.endswith("running_var"):
            values = random.uniform(0.5, 2, shape)
        state[key] = values.astype("float32")
    return state


class Counted(dict):
    """A dict that counts how often each value is taken out."""

    def __init__(self, *args):
        super().__init__(*args)
        self.taken = dict.fromkeys(self, 0)

    def __getitem__(self, key):
        self.taken[key] += 1
        return super().__getitem__(key)


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def network(state):
    return resnet18.made(state)


@pytest.fixture(scope="module")
def photo(network):
    return kviz.load_images(CAT, network)


def logits(network, pixels):
    model = network.model
    return np.array(keras.Model(model.input, model.get_layer("fc").output)(pixels))


def convolved(x, kernel, stride=1):
    """Return a convolution as PyTorch defines it, NCHW, padded with half the kernel's size."""
    half = kernel.shape[-1] // 2
    x = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], (2, 3))
    windows = windows[:, :, ::stride, ::stride]
    return np.tensordot(windows, kernel, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)


def normed(x, state, name):
    weight, bias, mean, var = (
        state[f"{name}.{part}"].astype("float64")[:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias


def by_numpy(pixels, state):
    """Return ResNet-18's logits and the maps of its blocks, straight from the paper and the keys."""
    x = ((pixels / 255 - MEAN) / DEVIATION).transpose(0, 3, 1, 2)
    x = np.maximum(normed(convolved(x, state["conv1.weight"], 2), state, "bn1"), 0)
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    x, blocks = windows[:, :, ::2, ::2].max((4, 5)), {}
    for number in (1, 2, 3, 4):
        for place in (0, 1):
            name = f"layer{number}.{place}"
            stride = 2 if number > 1 and place == 0 else 1
            y = normed(convolved(x, state[f"{name}.conv1.weight"], stride), state, f"{name}.bn1")
            y = convolved(np.maximum(y, 0), state[f"{name}.conv2.weight"])
            y = normed(y, state, f"{name}.bn2")
            if f"{name}.downsample.0.weight" in state:
                x = convolved(x, state[f"{name}.downsample.0.weight"], stride)
                x = normed(x, state, f"{name}.downsample.1")
            x = blocks[name] = np.maximum(y + x, 0)
    return x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"], blocks


def test_logits_and_every_block_are_those_that_numpy_computes(network, state, photo):
    expected, blocks = by_numpy(photo, state)
    np.testing.assert_allclose(logits(network, photo), expected, atol=2e-5 * np.abs(expected).max())
    maps = kviz.activations(network, photo, [name.replace(".", "/") for name in blocks])
    for name, wanted in blocks.items():
        found = maps[name.replace(".", "/")]
        wanted = wanted.transpose(0, 2, 3, 1)
        np.testing.assert_allclose(found, wanted, atol=2e-5 * wanted.max(), err_msg=name)


def test_the_second_block_of_the_second_stage_is_one_selector_away(network, photo):
    maps = kviz.activations(network, photo, "layer2/1")
    assert list(maps) == ["layer2/1"]
    assert maps["layer2/1"].shape == (1, 28, 28, 128)
    assert maps["layer2/1"].min() == 0 < maps["layer2/1"].max()
    found = kviz.attribute(network, photo, "grad_cam", layer_names="layer2/1", resize=None)
    assert found.maps.shape == (1, 28, 28)


def test_every_key_is_read_once_and_every_weight_is_set(state):
    model, counted = resnet18.build(), Counted(state)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, np.nan))
    resnet18.load_weights(model, counted)
    expected = {key: int("num_batches" not in key) for key in shapes()}
    assert counted.taken == expected
    own = [
        weight for layer in model.layers if layer.name != "normalize" for weight in layer.weights
    ]
    assert len(own) == sum(expected.values()) == 102
    assert all(np.isfinite(np.array(weight)).all() for weight in own)
    # torchvision's documentation gives 11,689,512 parameters, without running statistics.
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 11_689_512


def test_batch_normalisation_goes_on_as_in_pytorch(network):
    norms = [
        info.layer
        for info in network.layers
        if isinstance(info.layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) == 20
    assert {(one.momentum, one.epsilon) for one in norms} == {(0.9, 1e-5)}


def changed(state, **changes):
    state = dict(state)
    for key, value in changes.items():
        state[key.replace("__", ".")] = value
    return state


@pytest.mark.some(every=3)
@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"layer2__1__conv3__weight": np.zeros(3)}, "no weight 'layer2.1.conv3.weight'. Did you"),
        ({"bn9__num_batches_tracked": np.zeros(())}, "no weight 'bn9.num_batches_tracked'"),
        (
            {"conv1__weight": np.zeros((7, 7, 3, 64), "float32")},
            r"conv1.weight \(Conv2D\) has shape \(64, 3, 7, 7\) in resnet18. Received: \(7, 7, 3",
        ),
        ({"bn1__running_var": np.zeros((3,), "float32")}, r"shape \(64,\) in resnet18. Received"),
        ({"fc__bias": np.zeros(9, "float32")}, r"fc.bias \(Dense\) has shape \(1000,\)"),
        ({"fc__weight": np.zeros((1000, 5), "float32")}, r"shape \(1000, 512\) in resnet18"),
        ({"fc__weight": np.float32(3)}, r"shape \(1000, 512\) in resnet18. Received: \(\)"),
        ({"bn1__weight": np.full(64, np.nan, "float32")}, "bn1.weight holds values that are not"),
        ({"bn1__weight": np.zeros(64, "int64")}, "bn1.weight holds no floats. Received: int64"),
    ],
)
def test_a_wrong_state_is_refused_in_one_sentence(state, changes, match):
    with refused(match, kviz.ModelError):
        resnet18.made(changed(state, **changes))


def test_a_lacking_key_is_named_and_nothing_is_changed(state):
    less = {k: v for k, v in state.items() if k not in ("layer3.0.bn2.bias", "fc.bias")}
    model = resnet18.build()
    before = [np.array(weight) for weight in model.weights]
    with refused("lack 'layer3.0.bn2.bias' and 1 more. Expected those of", kviz.ModelError):
        resnet18.load_weights(model, less)
    with refused("shape", kviz.ModelError):
        resnet18.load_weights(model, changed(state, fc__bias=np.zeros(2, "float32")))
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, np.array(weight))


@pytest.mark.slow
def test_files_of_both_kinds_and_of_other_classes(tmp_path):
    from safetensors.numpy import save_file

    small = random_state(1, classes=3)
    save_file(small, tmp_path / "three.safetensors")
    np.savez(tmp_path / "three.npz", **small)
    (tmp_path / "names.json").write_text(json.dumps(["ant", "bee", "cat"]))
    for file in ("three.safetensors", "three.npz"):
        out = tmp_path / "three.keras"
        names = str(tmp_path / "names.json")
        arguments = ["--weights", str(tmp_path / file), "--class-names", names, "--out", str(out)]
        done = CliRunner().invoke(resnet18.main, arguments)
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f"{out}: 11,187,6")
        loaded = kviz.load_model(out)
        assert loaded.class_names == ("ant", "bee", "cat")
        pixels = kviz.load_images(CAT, loaded)
        assert pixels.shape == (1, 224, 224, 3)
        expected, _ = by_numpy(pixels, small)
        np.testing.assert_allclose(
            logits(loaded, pixels), expected, atol=2e-5 * np.abs(expected).max()
        )
        out.unlink()


@pytest.mark.slow
def test_without_weights_a_seed_makes_it(tmp_path):
    kernels = []
    for seed in (0, 0, 1):
        out = tmp_path / "random.keras"
        done = CliRunner().invoke(resnet18.main, ["--seed", str(seed), "--out", str(out)])
        assert done.exit_code == 0, done.output
        made = kviz.load_model(out)
        kernels.append(kviz.weights(made, "layer4/1/conv2")["conv2/kernel"])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()


def test_the_command_line_refuses_in_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    (tmp_path / "bad.npz").write_bytes(b"no")
    (tmp_path / "names.txt").write_text("ant\nbee\n")
    out = str(tmp_path / "out.keras")
    for arguments, match in [
        (["--weights", str(tmp_path / "bad.safetensors")], "cannot be read"),
        (["--weights", str(tmp_path / "bad.npz")], "cannot be read"),
        (["--weights", str(tmp_path / "none.npz")], "cannot be read"),
        (["--weights", "resnet18.pth"], "Weights come as .safetensors or .npz"),
        (["--class-names", str(tmp_path / "names.txt")], "has 1000 classes. Received: 2 class"),
    ]:
        done = CliRunner().invoke(resnet18.main, [*arguments, "--out", out])
        assert done.exit_code == 1
        assert match in done.output
        assert done.output.startswith("main: ")
        assert done.output.count("\n") == 1
    assert not Path(out).exists()


def torch_resnet18(torch):
    """Return ResNet-18 in PyTorch, its modules named as torchvision names them."""
    nn = torch.nn

    class BasicBlock(nn.Module):
        def __init__(self, before, width, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.downsample = None
            if stride != 1 or before != width:
                self.downsample = nn.Sequential(
                    nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                )

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet18(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            before = 64
            for number, width in enumerate((64, 128, 256, 512), 1):
                first = BasicBlock(before, width, 1 if number == 1 else 2)
                blocks = nn.Sequential(first, BasicBlock(width, width, 1))
                setattr(self, f"layer{number}", blocks)
                before = width
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(512, 1000)

        def forward(self, x):
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(torch.flatten(self.avgpool(x), 1))

    return ResNet18()


def test_logits_are_those_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch", reason=REASON)
    save_file = pytest.importorskip("safetensors.torch", reason=REASON).save_file
    torch.manual_seed(0)
    theirs = torch_resnet18(torch).eval()
    assert {k: tuple(v.shape) for k, v in theirs.state_dict().items()} == shapes()
    for name, buffer in theirs.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    with torch.no_grad():
        for weight in theirs.parameters():
            if weight.ndim == 1:
                weight.add_(0.2 * torch.randn_like(weight))
    save_file(theirs.state_dict(), tmp_path / "resnet18.safetensors")
    ours = resnet18.made(resnet18.read_state(tmp_path / "resnet18.safetensors"))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), "uint8")
    scaled = ((pixels / 255 - MEAN) / DEVIATION).astype("float32").transpose(0, 3, 1, 2)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(scaled)).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(logits(ours, pixels), expected, atol=1e-5 * np.abs(expected).max())
