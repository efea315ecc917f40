"""Attention rollout and Chefer's relevance, against a transformer of two blocks written in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from refusals import refused

import kviz

ROWS, COLUMNS, WIDTH, HEADS = 2, 3, 8, 2


class ClassToken(layers.Layer):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token", initializer="normal")

    def call(self, tokens):
        first = ops.repeat(self.token, ops.shape(tokens)[0], axis=0)
        return ops.concatenate([first, tokens], axis=1)


class OwnAttention(layers.Layer):
    """An attention that is no MultiHeadAttention and gives no scores back."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(3, HEADS, shape[-1], 4), name="qkv")
        self.out = self.add_weight(shape=(HEADS, 4, shape[-1]), name="out")

    def call(self, x):
        query, key, value = (ops.einsum("ntf,hfk->nhtk", x, self.kernel[i]) for i in range(3))
        weights = ops.softmax(ops.matmul(query, ops.swapaxes(key, 2, 3)) / 2, axis=-1)
        return ops.einsum("nhtk,hkf->ntf", ops.matmul(weights, value), self.out)


def transformer(reads, own=False):
    keras.utils.set_random_seed(2)
    photo = keras.Input((4 * ROWS, 4 * COLUMNS, 1))
    x = layers.Rescaling(1 / 255)(photo)
    x = layers.Conv2D(WIDTH, 4, strides=4, name="patches")(x)
    x = layers.Reshape((ROWS * COLUMNS, WIDTH), name="tokens")(x)
    if reads == "class":
        x = ClassToken(name="with_class")(x)
    for block in "ab":
        y = layers.LayerNormalization(epsilon=1e-3, name=f"norm_{block}")(x)
        if own:
            y = OwnAttention(name=f"attention_{block}")(y)
        else:
            y = layers.MultiHeadAttention(HEADS, 4, name=f"attention_{block}")(y, y)
        x = layers.Add(name=f"add_{block}")([x, y])
    x = x[:, 0] if reads == "class" else layers.GlobalAveragePooling1D()(x)
    model = keras.Model(photo, layers.Dense(3, activation="softmax", name="head")(x))
    random = np.random.default_rng(1)
    for weight in model.weights:
        # Not those at which Keras begins, of which normalisations and biases do nothing.
        weight.assign(random.normal(0, 0.6, weight.shape) + ("gamma" in weight.path))
    return model


class ByHand:
    """The same net of one image in NumPy; its attention can be exchanged."""

    def __init__(self, model, reads, image):
        self.reads = reads
        self.of = {w.path: w.numpy().astype(float) for w in model.weights}
        patches = image.reshape(ROWS, 4, COLUMNS, 4).transpose(0, 2, 1, 3) / 255
        kernel = self.of["patches/kernel"].reshape(16, WIDTH)
        x = patches.reshape(-1, 16) @ kernel + self.of["patches/bias"]
        if reads == "class":
            x = np.concatenate([self.of["with_class/token"][0], x])
        self.tokens = x
        self.attention = {}
        self.logits({})

    def logits(self, instead):
        x = self.tokens
        for block in "ab":
            y = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3)
            y = y * self.of[f"norm_{block}/gamma"] + self.of[f"norm_{block}/beta"]
            name = f"attention_{block}"
            query, key, value = (
                np.einsum("tf,fhk->htk", y, self.of[f"{name}/{part}/kernel"])
                + self.of[f"{name}/{part}/bias"][:, None]
                for part in ("query", "key", "value")
            )
            raw = np.exp(query @ key.transpose(0, 2, 1) / 2)
            weights = instead.get(block, raw / raw.sum(-1, keepdims=True))
            self.attention.setdefault(block, weights)
            out = self.of[f"{name}/attention_output/kernel"]
            x = x + np.einsum("htk,hkf->tf", weights @ value, out)
            x = x + self.of[f"{name}/attention_output/bias"]
        x = x[0] if self.reads == "class" else x.mean(0)
        return x @ self.of["head/kernel"] + self.of["head/bias"]

    def slope(self, block, index):
        """Return the derivative of a logit by each of a block's attention weights."""
        own, found = self.attention[block], np.zeros_like(self.attention[block])
        for place in np.ndindex(own.shape):
            moved = [own.copy(), own.copy()]
            moved[0][place] += 1e-5
            moved[1][place] -= 1e-5
            # What comes behind is computed from it, what else is left to itself.
            up, down = (self.logits({block: each})[index] for each in moved)
            found[place] = (up - down) / 2e-5
        return found

    def map_of(self, relevance):
        patches = slice(1, None) if self.reads == "class" else slice(None)
        row = relevance[0] if self.reads == "class" else relevance.mean(0)
        return row[patches].reshape(ROWS, COLUMNS)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 4 * ROWS, 4 * COLUMNS, 1)).astype("float32")


@pytest.mark.parametrize("reads", ["class", "mean"])
class TestByHand:
    def test_the_net_is_the_same(self, reads, images):
        model = transformer(reads)
        logits = keras.ops.log(model(images)).numpy()
        for image, row in zip(images, logits, strict=True):
            right = ByHand(model, reads, image).logits({})
            np.testing.assert_allclose(row - row.mean(), right - right.mean(), atol=1e-4)

    def test_rollout(self, reads, images):
        model = transformer(reads)
        found = kviz.attribute(model, images, "attention_rollout", class_index=1, resize=None)
        for image, got in zip(images, found.maps, strict=True):
            net = ByHand(model, reads, image)
            mixed = [(net.attention[block].mean(0) + np.eye(len(net.tokens))) / 2 for block in "ab"]
            rolled = mixed[1] @ mixed[0]
            np.testing.assert_allclose(rolled.sum(1), 1)
            np.testing.assert_allclose(got, net.map_of(rolled), rtol=1e-4, atol=1e-6)
        other = kviz.attribute(model, images, "attention_rollout", class_index=2, resize=None)
        np.testing.assert_array_equal(found.maps, other.maps)

    @pytest.mark.some(every=2)
    @pytest.mark.parametrize("index", [0, 2])
    def test_chefer(self, reads, index, images):
        model = transformer(reads)
        found = kviz.attribute(model, images, "chefer", class_index=index, resize=None)
        for image, got in zip(images, found.maps, strict=True):
            net = ByHand(model, reads, image)
            total = np.eye(len(net.tokens))
            for block in "ab":
                raises = net.slope(block, index) * net.attention[block]
                total = total + raises.clip(0).mean(0) @ total
            np.testing.assert_allclose(got, net.map_of(total), rtol=1e-3, atol=1e-5)


def test_they_come_at_the_photos_size(images):
    model = transformer("class")
    for method in ("attention_rollout", "chefer"):
        found = kviz.attribute(model, images, method)
        assert found.maps.shape == (2, 4 * ROWS, 4 * COLUMNS)
        assert "1 that lies nowhere in the image is left out" in found.notes[0]
        # A patch of 4 × 4 lies about its own middle.
        aligned = kviz.attribute(model, images, method, resize="aligned").maps
        np.testing.assert_allclose(aligned[:, 0, 0], found.raw[:, 0, 0], rtol=1e-5)
        row = found.raw[:, 0]
        between = 0.875 * row[:, 1] + 0.125 * row[:, 0]
        np.testing.assert_allclose(aligned[:, 0, 5], between, rtol=1e-4, atol=1e-6)


def test_an_attention_of_ones_own(images):
    model = transformer("class", own=True)
    found = kviz.attribute(model, images, "attention_rollout", resize=None).maps
    # What the class token looks at is shared out between the patches and itself.
    assert (found > 0).all()
    assert (found.sum((1, 2)) < 1).all()
    assert kviz.attribute(model, images, "chefer").maps.any()


def test_without_attention_it_says_so():
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)]
    )
    for method in ("attention_rollout", "chefer"):
        with refused("No self-attention .* lies between", kviz.LayerError):
            kviz.attribute(model, np.ones((1, 8, 8, 1)), method)


def test_tokens_of_words():
    keras.utils.set_random_seed(0)
    words = keras.Input((6,), dtype="int32")
    x = layers.Embedding(20, WIDTH, name="words")(words)
    x = layers.Add()([x, layers.MultiHeadAttention(HEADS, 4, name="attention")(x, x)])
    model = keras.Model(words, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    given = np.arange(12).reshape(2, 6)
    found = kviz.attribute(model, given, "attention_rollout").maps
    assert found.shape == (2, 6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
