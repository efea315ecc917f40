"""What tf_keras, which is Keras 2, gives is what the new file gives in Keras alone."""

import keras
import numpy as np
import pytest

import kviz

tf_keras = pytest.importorskip(
    "tf_keras", reason="tf_keras judges converted files: pip install '.[referee]'"
)


@pytest.fixture(scope="module")
def model():
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    return tf_keras.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 3)),
            layers.DepthwiseConv2D(3),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


X = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["old.h5", "old.keras"])
def test_an_old_file_is_compared_with_what_keras_2_gives(tmp_path, model, name):
    model.save(tmp_path / name)
    found = kviz.convert(tmp_path / name, tmp_path / "new.keras", trust=True)
    assert found.before == "tf_keras"
    assert found.difference <= 4e-5
    assert found.changes
    again = keras.saving.load_model(tmp_path / "new.keras")
    np.testing.assert_allclose(again(X), model(X), atol=4e-5)
    assert kviz.convert(tmp_path / name, tmp_path / "new.keras").before == "kviz"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_saved_model_of_keras_2_goes_both_ways(tmp_path, model):
    model.save(tmp_path / "saved", save_format="tf")
    with pytest.raises(
        kviz.ModelError, match=r"pip install tf_keras, tf_keras\.models\.load_model"
    ):
        kviz.load_model(tmp_path / "saved")
    tf_keras.models.load_model(tmp_path / "saved").save(tmp_path / "model.h5")
    np.testing.assert_allclose(kviz.load_model(tmp_path / "model.h5").model(X), model(X), atol=4e-5)
    assert kviz.convert(tmp_path / "saved", tmp_path / "box.keras", trust=True).difference == 0
    box = kviz.load_model(tmp_path / "box.keras", trust=True)
    np.testing.assert_allclose(box.model(X), model(X), atol=4e-5)


def test_a_model_in_memory_is_told(model):
    with pytest.raises(
        kviz.ModelError, match=r"one of tf_keras \(Keras 2\)\. Save it, model\.save"
    ):
        kviz.predict(model, X)
