"""Which layer explains a score when nobody names one, and where its cells lie."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from refusals import refused

import kviz


def chosen(model, images, method="grad_cam", **options):
    """Return the layers that a class activation map looked at, and the result."""
    found = kviz.attribute(model, images, method, **options)
    return found.made_by.settings["layer_names"], found


def test_the_last_of_the_input_that_is_explained():
    keras.utils.set_random_seed(4)
    photo = keras.Input((28, 28, 1))
    deep = layers.Conv2D(8, 3, activation="relu", name="c")(photo)
    encoder = keras.Model(photo, layers.GlobalAveragePooling2D()(deep), name="encoder")
    left, right = (keras.Input((28, 28, 1), name=name) for name in ("left", "right"))
    both = layers.Concatenate()([encoder(left), encoder(right)])
    model = keras.Model([left, right], layers.Dense(2, activation="softmax")(both))
    images = np.zeros((2, 1, 28, 28, 1), "float32")
    images[0, :, 2:8, 2:8] = images[1, :, 20:26, 20:26] = 255
    for method in ("grad_cam", "hires_cam", "eigen_cam", "score_cam", "ablation_cam"):
        for name, path, corner in (("left", "encoder#1/c", 0), ("right", "encoder#2/c", 1)):
            options = {"relu": False} if method != "eigen_cam" else {}
            path_found, found = chosen(model, list(images), method, input_name=name, **options)
            assert path_found == path, method
            # All that is not the square's own photo is flat.
            quarters = np.abs(found.maps[0] - np.median(found.maps[0])).reshape(2, 14, 2, 14)
            assert np.unravel_index(quarters.max((1, 3)).argmax(), (2, 2)) == (corner, corner)
    # The other photo's layer is looked at where it is named.
    assert chosen(model, list(images), layer_names="encoder#2/c")[0] == "encoder#2/c"


def test_layers_of_each_input():
    photo, ecg = keras.Input((16, 16, 3), name="photo"), keras.Input((40, 1), name="ecg")
    seen = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="c")(photo))
    heard = layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3, name="s")(ecg))
    model = keras.Model([photo, ecg], layers.Dense(2)(layers.Concatenate()([seen, heard])))
    given = [np.full((1, 16, 16, 3), 99, "uint8"), np.ones((1, 40, 1), "float32")]
    assert chosen(model, given)[0] == "c"
    assert chosen(model, given, input_name="ecg")[0] == "s"
    path, found = chosen(model, given, layer_names="s")
    assert path == "s"
    assert found.raw.shape == (1, 38)


def test_pixels_of_whole_numbers_have_maps():
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, name="c"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    assert chosen(model, np.full((1, 16, 16, 3), 99, "uint8"))[0] == "c"


class WithClassToken(layers.Layer):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, tokens):
        first = ops.repeat(self.token, ops.shape(tokens)[0], axis=0)
        return ops.concatenate([first, tokens], axis=1)


def transformer(pooled, rows=3, columns=4):
    """Return a vision transformer of two blocks on patches of 4 × 4."""
    keras.utils.set_random_seed(2)
    photo = keras.Input((4 * rows, 4 * columns, 3))
    x = layers.Conv2D(8, 4, strides=4, name="patches")(photo)
    x = layers.Reshape((rows * columns, 8), name="tokens")(x)
    if not pooled:
        x = WithClassToken(name="with_class")(x)
    for block in (1, 2):
        y = layers.LayerNormalization(name=f"norm_{block}a")(x)
        y = layers.MultiHeadAttention(2, 4, name=f"attention_{block}")(y, y)
        x = layers.Add(name=f"add_{block}a")([x, y])
        y = layers.LayerNormalization(name=f"norm_{block}b")(x)
        x = layers.Add(name=f"add_{block}b")([x, layers.Dense(8, "gelu", name=f"mlp_{block}")(y)])
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling1D()(x) if pooled else x[:, 0]
    return keras.Model(photo, layers.Dense(3, name="head")(x))


class TestTokens:
    @pytest.mark.parametrize("cell", [(0, 0), (1, 2), (2, 3)])
    def test_they_are_folded_to_the_grid_of_patches(self, cell):
        photo = keras.Input((12, 16, 3))
        tokens = layers.Reshape((12, 4), name="tokens")(
            layers.Conv2D(4, 4, strides=4, name="patches")(photo)
        )
        flat = layers.Flatten()(tokens)
        model = keras.Model(photo, layers.Dense(1, use_bias=False, name="head")(flat))
        weights = np.zeros((12, 4))
        weights[cell[0] * 4 + cell[1], 0] = 1
        kernel = np.zeros((4, 4, 3, 4))
        kernel[..., 0] = 1
        model.get_layer("patches").set_weights([kernel, np.zeros(4)])
        model.get_layer("head").set_weights([weights.reshape(48, 1)])
        path, found = chosen(model, np.full((2, 12, 16, 3), 9, "uint8"), "hires_cam")
        assert path == "tokens"
        assert found.raw.shape == (2, 3, 4)
        assert np.argwhere(found.raw[0]).tolist() == [list(cell)]
        # 48 pixels of 9, whose gradient is 1.
        assert found.raw[0][cell] == pytest.approx(432)

    def test_of_a_pooled_transformer_the_last_layer_counts(self):
        images = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3))
        path, found = chosen(transformer(pooled=True), images, relu=False)
        assert path == "norm"
        assert found.raw.shape == (2, 3, 4)

    def test_behind_the_last_attention_only_the_class_token_counts(self):
        model = transformer(pooled=False)
        images = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3))
        path, found = chosen(model, images, "hires_cam", relu=False, class_index=1)
        # What goes into the last attention is normalised first.
        assert path == "norm_2a"
        assert found.raw.shape == (2, 3, 4)
        assert found.raw.any(axis=(1, 2)).all()
        nothing = kviz.attribute(model, images, "hires_cam", relu=False, layer_names="norm")
        assert nothing.raw.shape == (2, 3, 4)
        assert not nothing.raw.any()

    @pytest.mark.slow
    def test_the_class_token_is_left_out(self):
        model = transformer(pooled=False)
        images = np.random.default_rng(0).integers(0, 256, (1, 12, 16, 3))
        maps = kviz.activations(model, images, "with_class")["with_class"]
        assert maps.shape == (1, 13, 8)
        found = kviz.attribute(model, images, "eigen_cam", layer_names="with_class")
        patches = kviz.activations(model, images, "patches")["patches"]
        flat = patches.reshape(12, 8)
        first = np.linalg.svd(flat)[2][0]
        expected = np.abs((flat @ first).reshape(3, 4))
        np.testing.assert_allclose(np.abs(found.raw[0]), expected, rtol=1e-3, atol=1e-3)

    def test_what_is_left_out_is_said(self):
        images = np.random.default_rng(0).integers(0, 256, (1, 12, 16, 3))
        found = chosen(transformer(pooled=False), images)[1]
        assert found.notes[-1] == (
            "Of the 13 tokens of 'norm_2a' the 3 × 4 patches are shown; 1 that lies nowhere in the "
            "image is left out."
        )
        assert not chosen(transformer(pooled=True), images)[1].notes

    def shuffled(self):
        """Return a net of whose tokens the graph does not tell where they come from."""
        keras.utils.set_random_seed(2)
        photo = keras.Input((12, 16, 3))
        x = layers.Conv2D(8, 4, strides=4, name="patches")(photo)
        x = layers.Flatten()(x)
        x = layers.Reshape((12, 8), name="tokens")(x)
        x = WithClassToken(name="with_class")(x)
        return keras.Model(photo, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))

    @pytest.mark.slow
    def test_rows_and_columns_can_be_given(self):
        model = self.shuffled()
        images = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3))
        options = {"relu": False, "class_index": 1, "resize": None}
        right = kviz.attribute(model, images, "hires_cam", layer_names="patches", **options).maps
        for name in ("tokens", "with_class", None):
            more = {"layer_names": name} if name else {}
            found = kviz.attribute(model, images, "hires_cam", grid=(3, 4), **more, **options)
            np.testing.assert_allclose(found.maps, right, rtol=1e-4, atol=1e-5)
            assert ("1 that lies nowhere" in str(found.notes)) == (name != "tokens")
        other = kviz.attribute(model, images, "hires_cam", grid=[4, 3], **options).maps
        assert other.shape == (2, 4, 3)
        assert np.isfinite(
            kviz.attribute(model, images, "ablation_cam", grid=(3, 4), layer_names="tokens").maps
        ).all()
        with refused("as grid=.rows, columns.", kviz.LayerError):
            kviz.attribute(model, images, layer_names="tokens")
        with refused("grid takes .rows, columns.", kviz.errors.OptionError):
            kviz.attribute(model, images, grid=12)
        with refused("'tokens' gives 12 of them. Received: .4, 4.", kviz.LayerError):
            kviz.attribute(model, images, grid=(4, 4), layer_names="tokens")
        with refused(r"'patches' \(Conv2D\) gives maps", kviz.LayerError):
            kviz.attribute(model, images, grid=(3, 4), layer_names="patches")

    @pytest.mark.slow
    @pytest.mark.parametrize("method", ["grad_cam", "attention_rollout"])
    def test_what_the_model_tells_counts(self, method):
        images = np.random.default_rng(0).integers(0, 256, (1, 12, 16, 3))
        for grid in ((2, 6), (13, 1), (3, 3)):
            with refused("the model tells that those of .* are 3 × 4", kviz.LayerError):
                kviz.attribute(transformer(pooled=True), images, method, grid=grid)


class Embedded(layers.Layer):
    """Tokens as keras-hub makes them: of a batch of any size, registers put in behind the class."""

    def __init__(self, registers):
        super().__init__(name="embedded")
        self.patches = layers.Conv2D(8, 4, strides=4, name="patches")
        self.registers = registers

    def build(self, shape):
        self.patches.build(shape)
        self.first = self.add_weight(shape=(1, 1, 8), name="class")
        self.others = self.add_weight(shape=(1, max(self.registers, 1), 8), name="registers")
        # At 0: what it adds is known, and how many tokens there are.
        self.places = self.add_weight(shape=(1, 13, 8), name="places", initializer="zeros")

    def call(self, photos):
        x = self.patches(photos)
        batch = ops.shape(x)[0]
        x = ops.reshape(x, (batch, -1, 8))
        x = ops.concatenate([ops.tile(self.first, (batch, 1, 1)), x], axis=1) + self.places
        if self.registers:
            others = ops.tile(self.others, (batch, 1, 1))
            x = ops.concatenate([x[:, :1], others, x[:, 1:]], axis=1)
        return x


@pytest.mark.parametrize("registers", [0, 4])
def test_tokens_as_keras_hub_makes_them(registers):
    keras.utils.set_random_seed(2)
    photo = keras.Input((12, 16, 3))
    x = Embedded(registers)(photo)
    x = layers.Dense(8, use_bias=False, name="mixed")(x)
    model = keras.Model(photo, layers.Dense(2)(ops.mean(x, axis=1)))
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3))
    options = {"relu": False, "class_index": 1, "resize": None}
    right = kviz.attribute(
        model, images, "hires_cam", layer_names="embedded/patches", **options
    ).maps
    path, found = chosen(model, images, "hires_cam", **options)
    assert path == "mixed"
    np.testing.assert_allclose(found.maps, right, rtol=1e-4, atol=1e-5)
    assert f"; {1 + registers} that {'lie' if registers else 'lies'} nowhere" in found.notes[0]
    field = kviz.Network(model).layers["mixed"].receptive_field
    assert (field.size, field.stride, field.centre) == ((4, 4), (4, 4), (1.5, 1.5))


def test_of_two_ways_the_other_is_told():
    keras.utils.set_random_seed(2)
    photo = keras.Input((16, 16, 3))
    ways = [
        layers.GlobalAveragePooling2D()(layers.Conv2D(4, size, activation="relu", name=name)(photo))
        for name, size in (("fine", 3), ("coarse", 5))
    ]
    model = keras.Model(photo, layers.Dense(2)(layers.Concatenate()(ways)))
    images = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3))
    path, found = chosen(model, images)
    assert path == "fine"
    assert found.notes == (
        "The score depends on the image by a second way too, which ends in 'coarse'; 'fine' is not "
        "on it.",
    )
    assert not chosen(model, images, layer_names="coarse", relu=False)[1].notes


def test_a_shortcut_is_no_second_way():
    x = inputs = keras.Input((16, 16, 3))
    for name in ("one", "two"):
        y = layers.Conv2D(3, 3, padding="same", activation="relu", name=name)(x)
        x = layers.Add(name=f"add_{name}")([x, y])
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    path, found = chosen(model, np.ones((1, 16, 16, 3)))
    assert (path, found.notes) == ("add_two", ())


def unet():
    keras.utils.set_random_seed(3)
    photo = keras.Input((16, 16, 1))
    down = layers.Conv2D(4, 3, padding="same", activation="relu", name="down")(photo)
    deep = layers.MaxPooling2D(name="pool")(down)
    deep = layers.Conv2D(8, 3, padding="same", activation="relu", name="bottleneck")(deep)
    up = layers.UpSampling2D(name="up")(deep)
    up = layers.Conv2D(4, 3, padding="same", name="joined")(layers.Concatenate()([down, up]))
    return keras.Model(photo, layers.Conv2D(3, 1, activation="softmax", name="last")(up))


@pytest.mark.slow
def test_of_a_class_map_the_deepest_layer_and_not_the_answer():
    images = np.random.default_rng(0).random((1, 16, 16, 1)).astype("float32")
    assert chosen(unet(), images)[0] == "bottleneck"
    with refused(r"'bottleneck' \(Conv2D\) gives maps", kviz.LayerError):
        kviz.attribute(unet(), images, grid=(8, 8))
    flat = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, padding="same", name="first"),
            layers.Conv2D(2, 1, name="answer"),
        ]
    )
    assert chosen(flat, images[:, :8, :8])[0] == "first"


def test_where_nothing_has_positions_it_says_so():
    table = keras.Input((4,))
    model = keras.Model(table, layers.Dense(2)(layers.Dense(3)(table)))
    with refused("No layer with spatial extent", kviz.LayerError):
        kviz.attribute(model, np.ones((1, 4)))


def test_a_score_that_is_no_classs_has_a_layer_too():
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3))
    path, found = chosen(
        transformer(pooled=True), images, relu=False, score=lambda outputs: outputs[:, 0] ** 2
    )
    assert path == "norm"
    assert found.raw.any()
