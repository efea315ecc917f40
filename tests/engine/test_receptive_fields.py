"""Receptive fields against published ones and against the gradient; sizes against Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kviz


# A. Araujo et al., Distill 2019, "Computing Receptive Fields of Convolutional Neural Networks", the
# table at its end: receptive field and effective stride. Only nets whose Keras form is the same.
@pytest.mark.parametrize(
    ("name", "path", "size", "stride"),
    [
        ("VGG16", "block5_pool", 212, 32),
        ("MobileNet", "conv_pw_13", 315, 32),
        ("InceptionV3", "mixed10", 1311, 32),
        pytest.param("InceptionResNetV2", "conv_7b", 3039, 32, marks=pytest.mark.slow),
    ],
)
def test_published(name, path, size, stride):
    model = getattr(keras.applications, name)(weights=None, include_top=False)
    field = kviz.Network(model).layers[path].receptive_field
    assert (field.size, field.stride) == ((size, size), (stride, stride))


def chain(*steps, size=41):
    return keras.Sequential([keras.Input((size, size, 1)), *steps])


def ones(kind, *args, **kwargs):
    kwargs.setdefault("use_bias", False)
    deep = kind is layers.DepthwiseConv2D
    which = "depthwise_initializer" if deep else "kernel_initializer"
    return kind(*args, **{which: "ones"}, **kwargs)


def branches():
    x = inputs = keras.Input((41, 41, 1))
    narrow = ones(layers.Conv2D, 1, 3, padding="same")(x)
    wide = ones(layers.Conv2D, 1, 3, padding="same", dilation_rate=3)(x)
    return keras.Model(inputs, layers.AveragePooling2D(2)(layers.Add()([narrow, wide])))


def raw_operations():
    x = inputs = keras.Input((41, 41, 1))
    x = ones(layers.Conv2D, 1, 5)(x / 2.0)
    x = keras.ops.concatenate([x, x * 2], axis=-1)
    return keras.Model(inputs, ones(layers.Conv2D, 1, 3, strides=2)(keras.ops.relu(x)))


NETS = {
    "valid": chain(ones(layers.Conv2D, 1, 3), ones(layers.Conv2D, 1, 5, strides=2)),
    "same": chain(ones(layers.Conv2D, 1, 3, padding="same"), layers.AveragePooling2D(2)),
    "same, stride 2": chain(
        *[ones(layers.Conv2D, 1, 3, strides=2, padding="same") for _ in range(2)]
    ),
    "even size": chain(*[ones(layers.Conv2D, 1, 4, strides=2, padding="same")], size=40),
    "oblong": chain(ones(layers.Conv2D, 1, (1, 7)), ones(layers.Conv2D, 1, (5, 1), strides=(2, 1))),
    "dilated": chain(ones(layers.Conv2D, 1, 3, dilation_rate=2), ones(layers.Conv2D, 1, 3)),
    "depthwise": chain(ones(layers.DepthwiseConv2D, 3, strides=2), layers.AveragePooling2D(3, 1)),
    "padded and cropped": chain(
        layers.ZeroPadding2D(((3, 1), (2, 2))), ones(layers.Conv2D, 1, 3), layers.Cropping2D(4)
    ),
    "batch norm": chain(layers.BatchNormalization(), ones(layers.Conv2D, 1, 3), layers.ReLU()),
    "branches": branches(),
    "raw operations": raw_operations(),
}


@pytest.mark.parametrize("name", NETS)
def test_against_the_gradient(name):
    """With kernels of ones, the pixels with a gradient are the receptive field, no more, no less."""
    model = NETS[name]
    field = kviz.Network(model).layers[-1].receptive_field
    images = tf.ones((1, *model.inputs[0].shape[1:]))

    def reached(row, column):
        with tf.GradientTape() as tape:
            tape.watch(images)
            unit = model(images, training=False)[0, row, column, 0]
        rows, columns = np.nonzero(tape.gradient(unit, images)[0, ..., 0].numpy())
        return rows.min(), rows.max(), columns.min(), columns.max()

    middle = [length // 2 for length in model.outputs[0].shape[1:3]]
    for axis in (0, 1):
        first, last = reached(*middle)[2 * axis : 2 * axis + 2]
        beyond = reached(*(m + (a == axis) for a, m in enumerate(middle)))[2 * axis]
        assert last - first + 1 == field.size[axis]
        assert beyond - first == field.stride[axis]
        assert first == field.offset[axis] + middle[axis] * field.stride[axis]


def test_transposed_and_upsampled_steps():
    model = chain(
        layers.Conv2D(1, 3, strides=2),
        layers.UpSampling2D(2),
        layers.Conv2DTranspose(1, 4, strides=2),
    )
    sizes = [info.receptive_field.size[0] for info in kviz.Network(model).layers]
    strides = [info.receptive_field.stride[0] for info in kviz.Network(model).layers]
    assert strides == [2, 1, 0.5]
    assert sizes == [3, 3, 4]


def test_whole_image_and_unknown():
    x = inputs = keras.Input((8, 8, 3))
    gate = layers.Conv2D(3, 1, name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    gated = layers.Multiply(name="gated")([x, gate])
    turned = layers.Conv2D(1, 3, name="turned")(keras.ops.flip(x, axis=1))
    end = layers.Dense(2, name="end")(layers.Flatten()(turned))
    table = kviz.Network(keras.Model(inputs, [gated, end])).layers
    assert table["gate"].receptive_field == "whole image"
    assert table["turned"].receptive_field == "unknown"
    assert table["end"].receptive_field == "whole image"


def test_what_sees_everything_is_told_beside_the_direct_way():
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2, name="conv")(x)
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Reshape((1, 1, 4))(layers.Dense(4, "sigmoid", name="gate")(gate))
    x = layers.Multiply(name="gated")([x, gate])
    x = layers.GroupNormalization(2, name="normed")(layers.Conv2D(4, 3, name="then")(x))
    table = kviz.Network(keras.Model(inputs, x)).layers
    assert not table["conv"].receptive_field.whole
    assert table["gate"].receptive_field == "whole image"
    for path, size in (("gated", 3), ("then", 7), ("normed", 7)):
        field = table[path].receptive_field
        assert (field.size, field.stride, field.whole) == ((size, size), (2, 2), True)
        assert str(field) == f"{size} by 2, beside the whole image"
        assert field.facts()["whole"] is True
    assert table["conv"].receptive_field.facts()["whole"] is False


def test_of_efficientnet_every_convolution_of_the_trunk_has_a_field():
    """Most of its layers stand behind a gate that pools the whole image."""
    table = kviz.Network(keras.applications.EfficientNetB0(weights=None)).layers
    trunk = [info for info in table if info.spatial and "se_" not in info.path]
    assert len(trunk) > 150
    assert not [info.path for info in trunk if isinstance(info.receptive_field, str)]
    last = table["top_conv"].receptive_field
    # A. Araujo et al. do not list it; of its 3 × 3 and 5 × 5 kernels and strides the sum is 851.
    assert last.stride == (32, 32)
    assert last.size == (851, 851)


def test_tokens_see_what_their_patches_see():
    x = inputs = keras.Input((8, 12, 3))
    x = layers.Reshape((6, 8), name="tokens")(layers.Conv2D(8, 4, strides=4)(x))
    y = layers.LayerNormalization(name="norm")(x)
    y = layers.MultiHeadAttention(2, 4, name="attention")(y, y)
    x = layers.Add(name="add")([x, y])
    x = layers.Dense(8, "gelu", name="mlp")(x)
    table = kviz.Network(keras.Model(inputs, x)).layers
    for path, whole in (("tokens", False), ("norm", False), ("add", True), ("mlp", True)):
        field = table[path].receptive_field
        assert (field.size, field.stride, field.whole) == ((4, 4), (4, 4), whole)
        assert field.centre == (1.5, 1.5)
    assert table["attention"].receptive_field == "whole image"


@pytest.mark.some(every=2)
@pytest.mark.parametrize("size", range(7, 15))
@pytest.mark.parametrize("window", [1, 2, 3, 5])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_arithmetic_gives_what_keras_gives(size, window, strides, padding):
    """The text is evaluated: what stands left of the sign equals what stands right of it."""
    conv = layers.Conv2D(1, window, strides=strides, padding=padding, name="conv")
    written = kviz.Network(chain(conv, size=size)).layers["conv"].arithmetic
    formula, _, result = written.partition(" = ")
    code = formula.replace("−", "-").replace("·", "*").replace("⌊", "").replace("⌋", "")
    assert int(result) == conv.compute_output_shape((1, size, size, 1))[1]
    assert eval(code.replace("/", "//")) == int(result)  # noqa: S307 - digits from our own formula
    assert ("⌊" in written) == ("/" in code and eval(code) != int(result))  # noqa: S307


@pytest.mark.parametrize(
    ("layer", "size", "written"),
    [
        (layers.Conv2D(1, 3, strides=2), 227, "(227 − 3 + 0)/2 + 1 = 113"),
        (layers.Conv2D(1, 5, padding="same"), 28, "(28 − 5 + 2·2)/1 + 1 = 28"),
        (layers.Conv2D(1, 3, strides=2, padding="same"), 224, "(224 − 3 + 0 + 1)/2 + 1"),
        (layers.MaxPooling2D(2), 7, "⌊(7 − 2 + 0)/2⌋ + 1 = 3"),
        (layers.Conv2D(1, 3, dilation_rate=2), 9, "(9 − ((3 − 1)·2 + 1) + 0)/1 + 1 = 5"),
        (layers.Conv2DTranspose(1, 3, strides=2), 7, "7·2 + 1 = 15"),
        (layers.Conv2DTranspose(1, 3, strides=2, padding="same"), 7, "7·2 = 14"),
        (layers.Conv2D(1, (1, 3)), 9, "(9 − 1 + 0)/1 + 1 = 9, (9 − 3 + 0)/1 + 1 = 7"),
    ],
)
def test_the_arithmetic_as_textbooks_write_it(layer, size, written):
    assert kviz.Network(chain(layer, size=size)).layers[0].arithmetic.startswith(written)


def test_sizes_that_are_free_stay_letters():
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(1, 3, name="conv")])
    assert kviz.Network(model).layers["conv"].arithmetic == "(W − 3 + 0)/1 + 1"


def test_a_layer_without_a_window_has_no_arithmetic():
    table = kviz.Network(chain(layers.ReLU(name="relu"))).layers
    with pytest.raises(kviz.LayerError, match="convolution or pooling"):
        table["relu"].arithmetic  # noqa: B018 - the property raises


def test_joining_positions_is_not_known():
    inputs = keras.Input((8, 8, 3))
    left, right = layers.Conv2D(1, 1)(inputs), layers.Conv2D(1, 1)(inputs)
    below = layers.Concatenate(axis=1, name="below")([left, right])
    beside = layers.Concatenate(name="beside")([left, right])
    turned = layers.Permute((2, 1, 3), name="turned")(layers.Conv2D(1, (1, 5))(inputs))
    table = kviz.Network(keras.Model(inputs, [below, beside, turned])).layers
    assert str(table["beside"].receptive_field) == "1 × 1 px, stride 1"
    assert table["below"].receptive_field == table["turned"].receptive_field == "unknown"


def test_bilinear_upsampling_reaches_its_neighbours():
    """What a unit of an upsampled map has a gradient of lies within its field, the edge of it too."""
    for interpolation, reach in (("nearest", 0), ("bilinear", 1)):
        model = chain(
            ones(layers.Conv2D, 1, 3),
            layers.UpSampling2D(2, interpolation=interpolation, name="up"),
            size=12,
        )
        field = kviz.Network(model).layers["up"].receptive_field
        images = tf.ones((1, 12, 12, 1))
        seen = []
        for place in (8, 9):
            with tf.GradientTape() as tape:
                tape.watch(images)
                unit = model(images)[0, place, place, 0]
            rows = np.flatnonzero(tape.gradient(unit, images)[0, :, place // 2 + 1, 0])
            seen.append((rows.min(), rows.max()))
        first, last = min(low for low, _ in seen), max(high for _, high in seen)
        assert field.size == (3 + 2 * reach,) * 2
        assert last - first + 1 == 3 + 2 * reach


def test_joining_channels_where_they_come_first_keeps_the_field():
    inputs = keras.Input((3, 8, 8))
    left, right = (layers.Conv2D(2, 3, data_format="channels_first")(inputs) for _ in range(2))
    beside = layers.Concatenate(axis=1, name="beside")([left, right])
    below = layers.Concatenate(axis=3, name="below")([left, right])
    table = kviz.Network(keras.Model(inputs, [beside, below])).layers
    assert str(table["beside"].receptive_field) == "3 × 3 px, stride 1"
    assert table["below"].receptive_field == "unknown"


@pytest.mark.parametrize(
    "name", ["UpSampling2x", "CroppingNet", "ZeroPaddingBlock", "GlobalPoolingOfMine"]
)
def test_a_layer_of_ones_own_is_not_known_by_its_name(name):
    kind = type(name, (layers.Layer,), {"call": lambda _, x: x + 1})
    model = chain(ones(layers.Conv2D, 1, 3), kind(name="mine"), size=9)
    assert kviz.Network(model).layers["mine"].receptive_field.size == (3, 3)


def test_a_layer_that_is_derived_is_one():
    class Doubled(layers.UpSampling2D):
        pass

    class Wider(layers.ZeroPadding2D):
        pass

    fields = kviz.Network(chain(Doubled(name="up"), Wider(name="pad"), size=9)).layers
    assert fields["up"].receptive_field.stride == (0.5, 0.5)
    assert fields["pad"].receptive_field.offset == (-0.5, -0.5)
