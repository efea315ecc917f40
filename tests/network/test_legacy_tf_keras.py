"""Files that tf_keras, which is Keras 2, writes: kviz gives what tf_keras gives."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

import kviz

k = pytest.importorskip("tf_keras", reason="tf_keras judges old files: pip install '.[referee]'")
layers = k.layers
IMAGE = (8, 8, 3)
LARGEST = 4e-5


def classify(x, classes=3):
    return layers.Dense(classes, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def sequential():
    return k.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=IMAGE),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )


def a_signal():
    return k.Sequential([layers.Conv1D(4, 3, input_shape=(68, 24)), layers.LSTM(3)])


def built_by_a_call():
    model = k.Sequential([layers.Conv2D(4, 3), layers.GlobalMaxPooling2D()])
    model(np.zeros((5, *IMAGE), "float32"))
    return model


def depthwise():
    image = k.Input(IMAGE)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(image)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.SeparableConv2D(4, 3, padding="same")(x)
    x = layers.LeakyReLU(0.1)(x)
    x = layers.Conv2DTranspose(5, 3, strides=2, padding="same")(x)
    return k.Model(image, classify(layers.PReLU(shared_axes=[1, 2])(x)))


def teachable():
    """A model as Teachable Machine writes it: a Sequential of Sequentials around a MobileNet."""
    net = k.applications.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)
    features = k.Sequential([net, layers.GlobalAveragePooling2D()], name="sequential_1")
    head = k.Sequential(
        [
            layers.Dense(100, activation="relu", input_shape=(1280,)),
            layers.Dense(2, use_bias=False, activation="softmax"),
        ],
        name="sequential_3",
    )
    return k.Sequential([features, head], name="sequential_4")


def nested():
    block = k.Input((6, 6, 4))
    inner = k.Model(block, layers.BatchNormalization()(layers.Conv2D(4, 1)(block)), name="inner")
    image = k.Input(IMAGE)
    x = layers.Conv2D(4, 3)(image)
    return k.Model(image, classify(layers.add([inner(inner(x)), inner(x)])))


def nested_last():
    head = k.Sequential([layers.Flatten(input_shape=(6, 6, 4)), layers.Dense(3)], name="head")
    image = k.Input(IMAGE)
    return k.Model(image, head(layers.Conv2D(4, 3)(image)))


def frozen_inside():
    block = k.Input((6, 6, 4))
    x = layers.Conv2D(4, 1)(block)
    x = layers.BatchNormalization()(x)
    inner = k.Model(block, layers.BatchNormalization()(layers.Conv2D(4, 1)(x)), name="inner")
    inner.layers[1].trainable = False
    inner.layers[4].trainable = False
    image = k.Input(IMAGE)
    return k.Model(image, classify(inner(layers.Conv2D(4, 3)(image))))


def frozen():
    model = frozen_inside()
    model.get_layer("inner").trainable = False
    return model


def two_ends():
    image, numbers = k.Input(IMAGE, name="image"), k.Input((5,), name="numbers")
    x = layers.concatenate([layers.Flatten()(image), numbers])
    return k.Model([image, numbers], [layers.Dense(3)(x), layers.Dense(2, name="other")(x)])


def recurrent():
    image = k.Input((10, 6))
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(image)
    x = layers.GRU(4, return_sequences=True)(x)
    x = layers.GRU(4, reset_after=False, return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(4))(x)
    x, h = layers.SimpleRNN(4, return_state=True, return_sequences=True)(x)
    x = layers.SimpleRNN(4)(x, initial_state=h)
    return k.Model(image, x)


def cells():
    image = k.Input((10, 6))
    stacked = layers.RNN([layers.LSTMCell(3), layers.LSTMCell(4)], return_sequences=True)
    return k.Model(image, layers.RNN(layers.GRUCell(3))(stacked(image)))


def conv_lstm():
    film = k.Input((4, 8, 8, 3))
    return k.Model(film, layers.ConvLSTM2D(3, 3)(film))


def hard_sigmoid():
    image = k.Input(IMAGE)
    x = layers.Conv2D(4, 3, activation="hard_sigmoid")(image)
    x = layers.Reshape((36, 4))(layers.Activation("hard_sigmoid")(x))
    return k.Model(image, layers.LSTM(3, recurrent_activation="hard_sigmoid")(x))


def attention():
    tokens = k.Input((7, 6))
    x = layers.MultiHeadAttention(2, 3)(tokens, layers.Dense(6)(tokens))
    x = layers.LayerNormalization()(layers.Add()([x, tokens]))
    x = layers.Attention()([x, tokens])
    return k.Model(tokens, layers.GlobalAveragePooling1D()(x))


def operations():
    image = k.Input(IMAGE)
    x = tf.nn.relu(layers.Conv2D(4, 3, padding="same")(image)) + 2.0
    x = (1.5 - x) * x / (tf.abs(x) + tf.constant([0.5, 1.0, 2.0, 3.0]))
    x = tf.cast(x - tf.constant([0.1, 0.2, 0.3, 0.4]), "float32")
    x = tf.reshape(x, (-1, 64, 4))[:, ::2, :3]
    x = tf.concat([x, tf.nn.sigmoid(x)], -1)
    x = tf.reduce_mean(tf.transpose(x, [0, 2, 1]), axis=-1, keepdims=True)
    x = tf.matmul(x, tf.transpose(x, [0, 2, 1]))
    return k.Model(image, tf.squeeze(tf.expand_dims(tf.clip_by_value(x, 0.1, 0.9), 1), axis=1))


def subpixels():
    image = k.Input(IMAGE)
    x = tf.nn.depth_to_space(layers.Conv2D(12, 3, padding="same")(image), 2)
    return k.Model(image, tf.maximum(x, 0.1) ** 2.0)


def preprocessing():
    image = k.Input(IMAGE)
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(3, 2, (20, *IMAGE)))
    x = layers.Rescaling(1 / 127.5, offset=-1)(norm(image))
    x = layers.RandomRotation(0.1)(layers.RandomFlip("horizontal")(x))
    x = layers.Resizing(12, 12)(layers.ZeroPadding2D(1)(x))
    x = layers.SpatialDropout2D(0.2)(layers.GaussianNoise(0.1)(x))
    return k.Model(image, classify(layers.UpSampling2D(2, interpolation="bilinear")(x)))


def words():
    model = k.Sequential()
    model.add(layers.Embedding(20, 5, input_length=9))
    model.add(layers.SpatialDropout1D(0.2))
    model.add(layers.Conv1D(4, 3, activation="swish"))
    model.add(layers.GlobalMaxPooling1D())
    return model


def regularized():
    image = k.Input(IMAGE)
    x = layers.Conv2D(
        4,
        3,
        kernel_regularizer=k.regularizers.l2(1e-3),
        kernel_constraint=k.constraints.max_norm(2),
        kernel_initializer="he_normal",
        activation=tf.nn.relu6,
        name="one",
    )(image)
    x = layers.ThresholdedReLU(0.3)(layers.ELU(0.7)(x))
    return k.Model(image, layers.Flatten()(layers.Softmax()(x)))


def of_two_branches():
    # Of one shape, written in an order that is not that of their names.
    image = k.Input(IMAGE)
    second, first = layers.Conv2D(4, 3, name="b")(image), layers.Conv2D(4, 3, name="a")(image)
    return k.Model(image, classify(layers.concatenate([first, layers.ReLU()(second)])))


def channels_first():
    return k.Sequential(
        [
            layers.Permute((3, 1, 2), input_shape=IMAGE),
            layers.Flatten("channels_first"),
            layers.Dense(2),
        ]
    )


def efficient():
    return k.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3), classes=4)


def mobile_v3():
    return k.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3), classes=4)


def dense_net():
    return k.applications.DenseNet121(weights=None, input_shape=(64, 64, 3), classes=4)


def inception():
    return k.applications.InceptionResNetV2(weights=None, input_shape=(80, 80, 3), classes=4)


def res_net():
    return k.applications.ResNet50V2(weights=None, input_shape=(64, 64, 3), classes=4)


SMALL = [
    sequential,
    a_signal,
    built_by_a_call,
    depthwise,
    nested,
    nested_last,
    frozen_inside,
    frozen,
    two_ends,
    recurrent,
    cells,
    conv_lstm,
    hard_sigmoid,
    attention,
    operations,
    subpixels,
    preprocessing,
    words,
    regularized,
    of_two_branches,
    channels_first,
    teachable,
]
LARGE = [efficient, mobile_v3, dense_net, inception, res_net]


def noise(shape, rng):
    return rng.normal(0, 1, [2 if side is None else side for side in shape]).astype("float32")


def made_random(model):
    """Give every weight a value that no initializer makes, so that two in each other's place differ."""
    rng = np.random.default_rng(7)
    values = []
    for weight in model.weights:
        value = rng.normal(0, 1 / np.sqrt(np.prod(weight.shape[:-1]) + 1), weight.shape)
        value = abs(value) + 0.5 if "variance" in weight.name else value
        values.append(weight.numpy() if "count" in weight.name else value.astype(weight.dtype.name))
    model.set_weights(values)
    return model


def written(build, path):
    k.backend.clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = made_random(build())
        if build is preprocessing:
            model.get_layer(index=1).finalize_state()
        model.save(path)
    return model


def difference(model, network):
    """Return the largest difference of the outputs on noise, the shapes being equal."""
    rng = np.random.default_rng(3)
    wanted = [tuple(shape.shape) for shape in model.inputs]
    assert [tuple(one.shape) for one in network.model.inputs] == wanted
    inputs = [noise(shape, rng) for shape in wanted]
    if "embedding" in model.layers[0].name + model.layers[-1].name or len(wanted[0]) == 2:
        inputs = [np.abs(inputs[0] * 5).clip(0, 19).round()]
    inputs = inputs[0] if len(inputs) == 1 else inputs
    expected, found = model(inputs, training=False), network.model(inputs, training=False)
    many = isinstance(expected, list)
    assert isinstance(found, list) == many
    pairs = zip(expected, found, strict=True) if many else [(expected, found)]
    return max(float(np.abs(one.numpy() - two.numpy()).max()) for one, two in pairs)


SIGNAL, VOLUME, FILM = (10, 6), (6, 6, 6, 2), (3, 8, 8, 2)
ACTIVATIONS = [
    name
    for name in dir(k.activations)
    if name[0] != "_" and name not in ("get", "serialize", "deserialize")
]
# A layer of each kind alone, where it differs between the two or well could.
LAYERS = {
    **{name: (IMAGE, layers.Activation, [name], {}) for name in ACTIVATIONS},
    **{
        f"{kind.__name__} {how}": (IMAGE, kind, sizes, {"interpolation": how})
        for kind, sizes in ((layers.UpSampling2D, [3]), (layers.Resizing, [5, 13]))
        for how in ("nearest", "bilinear", "bicubic", "lanczos3", "area")
    },
    "ActivityRegularization": (IMAGE, layers.ActivityRegularization, [0.1], {}),
    "AveragePooling1D": (SIGNAL, layers.AveragePooling1D, [3, 2, "same"], {}),
    "AveragePooling2D": (IMAGE, layers.AveragePooling2D, [3, 2, "same"], {}),
    "BatchNormalization": (IMAGE, layers.BatchNormalization, [1], {"scale": False}),
    "CategoryEncoding": ((5,), layers.CategoryEncoding, [30], {"output_mode": "multi_hot"}),
    "CenterCrop": (IMAGE, layers.CenterCrop, [4, 5], {}),
    "Conv1D": (SIGNAL, layers.Conv1D, [3, 3], {"padding": "causal", "dilation_rate": 2}),
    "Conv1DTranspose": (SIGNAL, layers.Conv1DTranspose, [3, 4, 2, "same"], {}),
    "Conv2D": ((8, 8, 4), layers.Conv2D, [4, 2], {"groups": 2}),
    "Conv2DTranspose": (IMAGE, layers.Conv2DTranspose, [3, 3, 2, "same"], {"output_padding": 1}),
    "Conv3D": (VOLUME, layers.Conv3D, [2, 3], {}),
    "Conv3DTranspose": (VOLUME, layers.Conv3DTranspose, [3, 3, 2, "same"], {}),
    "ConvLSTM1D": ((4, 8, 3), layers.ConvLSTM1D, [2, 3], {}),
    "ConvLSTM3D": ((3, 6, 6, 6, 1), layers.ConvLSTM3D, [2, 3], {}),
    "DepthwiseConv1D": (SIGNAL, layers.DepthwiseConv1D, [3], {"depth_multiplier": 2}),
    "DepthwiseConv2D": (IMAGE, layers.DepthwiseConv2D, [3], {"dilation_rate": 2}),
    "Discretization": (IMAGE, layers.Discretization, [[0.0, 0.5]], {}),
    "EinsumDense": (SIGNAL, layers.EinsumDense, ["abc,cd->abd", (None, 4)], {"bias_axes": "d"}),
    "GlobalAveragePooling2D": (IMAGE, layers.GlobalAveragePooling2D, [], {"keepdims": True}),
    "GroupNormalization": (IMAGE, layers.GroupNormalization, [3], {}),
    "LayerNormalization": (IMAGE, layers.LayerNormalization, [[2, 3]], {"epsilon": 0.1}),
    "LSTM": (SIGNAL, layers.LSTM, [3], {"go_backwards": True, "return_sequences": True}),
    "LSTM unrolled": (SIGNAL, layers.LSTM, [3], {"unroll": True, "use_bias": False}),
    "Masking": (SIGNAL, layers.Masking, [0.0], {}),
    "Normalization": (
        IMAGE,
        layers.Normalization,
        [],
        {"mean": [1.0, 2.0, 3.0], "variance": [2.0, 2.0, 3.0]},
    ),
    "Permute": (IMAGE, layers.Permute, [(3, 1, 2)], {}),
    "PReLU": (IMAGE, layers.PReLU, [], {}),
    "RandomCrop": (IMAGE, layers.RandomCrop, [4, 5], {}),
    "RandomHeight": (IMAGE, layers.RandomHeight, [0.2], {}),
    "RandomTranslation": (IMAGE, layers.RandomTranslation, [0.1, 0.1], {}),
    "ReLU": (IMAGE, layers.ReLU, [2.0, 0.1, 0.5], {}),
    "Rescaling": (IMAGE, layers.Rescaling, [[1.0, 2.0, 3.0]], {"offset": [0.1, 0.2, 0.3]}),
    "Reshape": (IMAGE, layers.Reshape, [(-1, 4)], {}),
    "SeparableConv1D": (SIGNAL, layers.SeparableConv1D, [3, 3], {}),
    "SeparableConv2D": (IMAGE, layers.SeparableConv2D, [3, 3, 2, "same"], {"depth_multiplier": 2}),
    "Softmax": (IMAGE, layers.Softmax, [[1, 2]], {}),
    "UnitNormalization": (IMAGE, layers.UnitNormalization, [], {}),
    "ZeroPadding2D": (IMAGE, layers.ZeroPadding2D, [((1, 2), (0, 3))], {}),
    "in half precision": (IMAGE, layers.Conv2D, [3, 3], {"dtype": "mixed_float16"}),
}
HELD = {
    "sum of two directions": (SIGNAL, lambda: layers.Bidirectional(layers.GRU(3), "sum")),
    "two layers for two directions": (
        SIGNAL,
        lambda: layers.Bidirectional(
            layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, activation="relu")
        ),
    ),
    "a layer for each time": (FILM, lambda: layers.TimeDistributed(layers.BatchNormalization())),
    "a model for each time": (
        FILM,
        lambda: layers.TimeDistributed(
            k.Sequential([layers.Conv2D(3, 3, input_shape=FILM[1:]), layers.BatchNormalization()])
        ),
    ),
}


def alone(shape, make):
    def build():
        inputs = k.Input(shape)
        return k.Model(inputs, make()(inputs))

    return build


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_of_keras_2_gives_what_it_gave(tmp_path, record_property, kind):
    shape, layer, args, more = LAYERS[kind]
    model = written(alone(shape, lambda: layer(*args, **more)), tmp_path / "old.h5")
    found = difference(model, kviz.load_model(tmp_path / "old.h5"))
    record_property("largest difference", found)
    assert found <= LARGEST


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("kind", HELD)
def test_a_layer_inside_a_layer_gives_what_it_gave(tmp_path, record_property, kind, suffix):
    model = written(alone(*HELD[kind]), tmp_path / f"old{suffix}")
    found = difference(model, kviz.load_model(tmp_path / f"old{suffix}"))
    record_property("largest difference", found)
    assert found <= LARGEST


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_lambda_of_keras_2_needs_trust(tmp_path, suffix):
    path = tmp_path / f"old{suffix}"
    model = written(alone(IMAGE, lambda: layers.Lambda(lambda x: x * 2)), path)
    with pytest.raises(kviz.ModelError, match="is a Lambda, which runs code"):
        kviz.load_model(path)
    assert difference(model, kviz.load_model(path, trust=True)) == 0


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("build", SMALL)
def test_a_file_by_keras_2_gives_what_it_gave(tmp_path, record_property, build, suffix):
    path = tmp_path / f"old{suffix}"
    model = written(build, path)
    network = kviz.load_model(path)
    found = difference(model, network)
    record_property("largest difference", found)
    assert network.made_new
    assert found <= LARGEST


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("build", LARGE)
def test_a_large_file_by_keras_2_gives_what_it_gave(tmp_path, record_property, build, suffix):
    test_a_file_by_keras_2_gives_what_it_gave(tmp_path, record_property, build, suffix)
