"""A seeded run: killed and gone on, it ends as one that never was."""

import numpy as np
import pytest
import training
from refusals import refused
from training import keras

import kviz

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.random((50, 8, 8, 1), dtype=np.float32), RANDOM.integers(0, 2, 50)


def model():
    training.seeded(1)
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomFlip(),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(2, activation="softmax"),
        ]
    )
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def run(made, folder, **options):
    options = {"epochs": 3, "batch_size": 16, "validation": (X, Y), "verbose": 0} | options
    return training.train(made, X, Y, folder=folder, **options)


def equal(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_killed_run_goes_on_and_ends_as_an_unbroken_one(tmp_path):
    whole, killed = model(), model()
    expected = run(whole, tmp_path / "whole")

    def kill(batch, logs=None):  # noqa: ARG001
        # In the middle of the second epoch: what that one had done is lost, the first is not.
        if killed.optimizer.iterations.numpy() == 6:
            raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_train_batch_end=kill)
    with pytest.raises(KeyboardInterrupt):
        run(killed, tmp_path / "killed", callbacks=[stop])
    again = model()
    begun = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))  # noqa: ARG005
    found = run(again, tmp_path / "killed", callbacks=[count])
    assert begun == [1, 2]
    assert found.resumed == 1
    assert found.history == expected.history
    assert len(found.history["val_loss"]) == 3
    assert equal(whole, again)


def test_the_seed_makes_the_run(tmp_path):
    one, same, other = model(), model(), model()
    run(one, tmp_path / "one")
    run(same, tmp_path / "same")
    run(other, tmp_path / "other", seed=5)
    assert equal(one, same)
    assert not equal(one, other)


def test_steps_with_an_evaluation_every_few(tmp_path):
    made = model()
    found = run(made, tmp_path, epochs=None, steps=6, evaluate_every=2, keep="all")
    assert len(found.history["val_accuracy"]) == 3
    assert list(found.checkpoints) == [1, 2, 3]
    assert made.optimizer.iterations.numpy() == 6


def test_the_last_checkpoint_alone_is_kept_and_a_done_run_is_done(tmp_path):
    first = run(model(), tmp_path)
    assert list(first.checkpoints) == [3]
    again = model()
    second = run(again, tmp_path)
    assert (second.resumed, second.history) == (3, first.history)
    again.optimizer.learning_rate = 0.0
    assert run(again, tmp_path, epochs=4).resumed == 3  # more epochs go on


def test_every_example_once_an_epoch_in_an_order_of_its_own():
    def labels(first):
        read = training.batches(np.zeros(10), np.arange(10), 4, 3, first, 6)
        return [y.tolist() for _, y in read.as_numpy_iterator()]

    stream = labels(0)
    epochs = [sum(stream[:3], []), sum(stream[3:], [])]  # noqa: RUF017 - six short lists
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]
    assert labels(3) == stream[3:]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epochs": 0}, "epochs takes a whole number"),
        ({"epochs": None}, "either epochs or steps"),
        ({"epochs": None, "steps": 5, "evaluate_every": 2}, "multiple"),
        ({"keep": "some"}, "keep takes"),
        ({"batch_size": 0}, "batch_size takes"),
    ],
)
def test_wrong_numbers(tmp_path, options, match):
    with refused(match, kviz.OptionError):
        run(model(), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_run(tmp_path):
    run(model(), tmp_path, epochs=1)
    with refused("seed 0, not 1", kviz.OptionError):
        run(model(), tmp_path, seed=1)


def test_a_folder_of_a_longer_run(tmp_path):
    run(model(), tmp_path, epochs=2)
    with refused("a run of 2 rounds, 1 were asked for", kviz.OptionError):
        run(model(), tmp_path, epochs=1)


def test_a_broken_state(tmp_path):
    run(model(), tmp_path, epochs=1)
    (tmp_path / "round_0001.weights.h5").write_bytes(b"no")
    with refused("cannot be read", kviz.OutputError):
        run(model(), tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with refused("not a run's state", kviz.OutputError):
        run(model(), tmp_path)
