"""A network whose every name is an attack on what shows it."""

import keras

import kviz

# Keras lets no slash into the name of a model or a layer.
HOSTILE = {
    "model": "m<svg onload=pwned=1><script>pwned=1",
    "layer": 'conv"><img src=x onerror=pwned=1>',
    "block": "שלום ‮ <b>&amp;",
    "class": [
        "</script><script>pwned=1</script>",
        "'\"><svg onload=pwned=1>",
        "🦊 \u2028 مرحبا <!--",
    ],
    "file": "<img src=x onerror=pwned=1>' \u2028 ‮.png",
}


def hostile_model():
    """Return a small network in which every name is an attack on a page."""
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((10, 10, 4)), layers.Conv2D(4, 3, name="__proto__")], name=HOSTILE["block"]
    )
    image = keras.Input((12, 12, 3), name="constructor")
    x = layers.Conv2D(4, 3, activation="relu", name=HOSTILE["layer"])(image)
    x = layers.GlobalAveragePooling2D(name="x" * 300)(inner(x))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(x), name=HOSTILE["model"])
    return kviz.Network(model, class_names=HOSTILE["class"])
