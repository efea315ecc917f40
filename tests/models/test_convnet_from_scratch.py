"""The cats-and-dogs convnet: the book's layers, seen through kviz, also from disk."""

import convnet_from_scratch
import numpy as np

import kviz


def test_nine_activations_also_from_disk(tmp_path):
    model = convnet_from_scratch.build()
    assert model.count_params() == 991_041  # as the book's model.summary() prints
    image = np.random.default_rng(0).integers(0, 256, (1, 180, 180, 3), np.uint8)
    maps = kviz.activations(model, image)
    assert len(maps) == 9
    assert next(iter(maps.values())).shape == (1, 178, 178, 32)
    assert list(maps.values())[-1].shape == (1, 7, 7, 256)
    path = kviz.save_model(kviz.Network(model, class_names=("cat", "dog")), tmp_path / "it.keras")
    again = kviz.load_model(path)
    assert again.class_names == ("cat", "dog")
    for name, values in kviz.activations(again, image).items():
        np.testing.assert_array_equal(values, maps[name])


def test_it_trains_on_a_folder_and_saves_names(photos, tmp_path, command):
    out = tmp_path / "out"
    done = command(
        convnet_from_scratch, "--data", photos, "--out", out, "--size", 80, "--epochs", 1
    )
    assert done.exit_code == 0, done.output
    assert "6 photos to train on, 2 to test on" in done.output
    network = kviz.load_model(out / "convnet_from_scratch.keras")
    assert network.class_names == ("blue", "red")
    assert kviz.predict(network, photos / "red/0.png").scores.shape == (1, 2)


def test_mistakes_end_in_one_line(photos, tmp_path, command):
    small = command(convnet_from_scratch, "--demo", "--size", 40, "--out", tmp_path / "out")
    assert small.exit_code == 1
    assert "78 pixels" in small.output
    (photos / "green").mkdir()
    (photos / "green/0.png").write_bytes((photos / "red/0.png").read_bytes())
    (photos / "green/1.png").write_bytes((photos / "red/0.png").read_bytes())
    three = command(convnet_from_scratch, "--data", photos, "--size", 80, "--out", tmp_path / "out")
    assert three.exit_code == 1
    assert "two classes" in three.output
    assert command(convnet_from_scratch).exit_code == 2
    assert not (tmp_path / "out").exists()
