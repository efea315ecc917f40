"""What the recipes share: a seeded training run that a kill cannot spoil, and plain endings.

A run is a row of rounds: an epoch each, or `evaluate_every` steps. Which images a step sees and what
dropout and augmentation draw follow from (seed, round) alone, and after each round the weights, the
optimizer's state and the figures so far are on disk. A run that was killed goes on where its last
round ended, and ends in the same weights as one that never was.
"""

import functools
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

import kviz
from kviz._checks import sanitise, validate_int
from kviz.errors import KvizError, OptionError, OutputError
from kviz.files import whole_file

# TensorFlow's start-up talk is no user's business; it reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kviz.engine.backend import keras, tf

STATE = "run.json"


@dataclass(frozen=True)
class Run:
    """What a training run came to.

    Attributes:
        history: for each metric its value after every round, as Keras's `History` has it.
        checkpoints: the weights that are kept, by round from 1: all of them or the last one.
        seconds: how long training took, in all its parts.
        resumed: the round that this call went on after; 0 for a new run.
    """

    history: dict[str, list[float]]
    checkpoints: dict[int, Path]
    seconds: float
    resumed: int


def seeded(seed: int) -> None:
    """Seed Python, NumPy and Keras, so that a model built next begins with the same weights.

    Args:
        seed: a whole number from 0.
    """
    keras.utils.set_random_seed(validate_int("seed", seed, 0))
    if tf.config.list_physical_devices("GPU"):
        # A GPU adds up in any order unless it is told; the CPU's kernels do not.
        tf.config.experimental.enable_op_determinism()


@functools.lru_cache(maxsize=2)
def order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order in which an epoch sees its examples.

    Args:
        count: how many there are.
        seed: the run's.
        epoch: from 0.

    Returns:
        int64 `(count,)`: every index once.
    """
    return np.random.default_rng((seed, epoch)).permutation(count)


def batches(x: Any, y: Any, batch_size: int, seed: int | None, first: int, last: int) -> Any:
    """Return the batches of steps `first` to `last`, a `tf.data.Dataset`.

    Args:
        x: `(N, ...)`: an array, or what gives one for an array of indices, such as a folder of photos.
        y: array `(N, ...)`.
        batch_size: examples a step; the last step of an epoch has what is left.
        seed: of the order; None for the order that they have.
        first: the first step, counted from the run's begin.
        last: the step after the last one.

    Returns:
        A dataset of `(x, y)`, read ahead in two threads, in order.
    """
    y = np.asarray(y)
    an_epoch = -(-len(y) // batch_size)

    def read(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        epoch, place = divmod(int(step), an_epoch)
        indices = np.arange(len(y)) if seed is None else order(len(y), seed, epoch)
        indices = indices[place * batch_size : (place + 1) * batch_size]
        return np.asarray(x[indices]), y[indices]

    examples = [np.asarray(part[np.arange(1)]) for part in (x, y)]

    def batch(step: Any) -> Any:
        parts = tf.numpy_function(read, [step], [example.dtype for example in examples])
        return tuple(
            tf.ensure_shape(part, (None, *example.shape[1:]))
            for part, example in zip(parts, examples, strict=True)
        )

    steps = tf.data.Dataset.range(first, last).map(batch, num_parallel_calls=2)
    # Keras asks how many there are.
    return steps.prefetch(2).apply(tf.data.experimental.assert_cardinality(last - first))


def train(  # noqa: PLR0913 - a recipe's settings
    model: Any,
    x: Any,
    y: Any,
    *,
    folder: str | Path,
    epochs: int | None = None,
    steps: int | None = None,
    evaluate_every: int | None = None,
    batch_size: int = 32,
    validation: tuple[Any, Any] | None = None,
    seed: int = 0,
    keep: str = "last",
    callbacks: Sequence[Any] = (),
    verbose: str | int = "auto",
) -> Run:
    """Train a compiled model, going on where an earlier call in the same folder was stopped.

    Args:
        model: a compiled and built `keras.Model`; it is trained in place.
        x: `(N, ...)`: an array, or what gives one for an array of indices.
        y: labels `(N, ...)`.
        folder: where the run's state is kept; made if it is not there.
        epochs: how often all examples are seen.
        steps: how many batches instead.
        evaluate_every: steps in a round; by default an epoch. A round ends with an evaluation of
            `validation`, a line of figures and a checkpoint. `steps` is a multiple of it.
        batch_size: examples a step.
        validation: `(x, y)` like the above.
        seed: of the order of the examples, of dropout and of augmentation.
        keep: `"last"` for the newest checkpoint only, or `"all"`.
        callbacks: Keras's, besides; what they remember is not resumed.
        verbose: as `keras.Model.fit` takes it.

    Returns:
        The figures of all rounds and the checkpoints. The model has the last round's weights.

    Raises:
        OptionError: if a number is not what it takes, or the folder holds a run of other settings.
        OutputError: if the folder cannot be written or its checkpoint cannot be read.
    """
    batch_size, seed = validate_int("batch_size", batch_size), validate_int("seed", seed, 0)
    if (epochs is None) == (steps is None):
        raise OptionError("Give either epochs or steps.")
    if keep not in ("last", "all"):
        raise OptionError(f"keep takes 'last' or 'all'. Received: {sanitise(repr(keep))}")
    count = len(y)
    if not count or len(x) != count:
        raise OptionError(f"Expected as many labels as examples. Received: {len(x)} and {count}")
    an_epoch = -(-count // batch_size)
    total = (
        validate_int("epochs", epochs) * an_epoch if steps is None else validate_int("steps", steps)
    )
    a_round = min(an_epoch, total) if evaluate_every is None else evaluate_every
    if total % validate_int("evaluate_every", a_round):
        raise OptionError(
            f"The number of steps ({total}) is a multiple of the steps in a round ({a_round}); "
            "change steps or evaluate_every."
        )
    rounds = total // a_round
    folder = Path(folder)
    made_of = {
        "seed": seed,
        "batch_size": batch_size,
        "examples": count,
        "steps_in_a_round": a_round,
        "trainable": sum(int(np.prod(w.shape)) for w in model.trainable_variables),
    }
    state = _State(folder, made_of, keep)
    model.optimizer.build(model.trainable_variables)
    done = state.restore(model)
    if done > rounds:
        raise OptionError(
            f"{sanitise(folder, 80)} holds a run of {done} rounds, {rounds} were asked "
            f"for. Take another "
            "folder, or delete it to begin anew."
        )
    if done < rounds:
        if verbose and done:
            click.echo(f"{folder}: {done} of {rounds} rounds are done; going on after them.")
        model.fit(
            batches(x, y, batch_size, seed, done * a_round, total),
            shuffle=False,  # the batches are shuffled
            epochs=rounds,
            initial_epoch=done,
            steps_per_epoch=a_round,
            validation_data=None
            if validation is None
            else batches(*validation, batch_size, None, 0, -(-len(validation[1]) // batch_size)),
            callbacks=[_seeds(model, seed), *callbacks, state.callback()],
            verbose=verbose,
        )
    return Run(state.history, state.checkpoints(), state.seconds, done)


def learn_photos(
    model: Any, photos: Any, *, out: Path, epochs: int, batch_size: int, seed: int
) -> None:
    """Train a network on photos, save it by its name, and print what it came to.

    Args:
        model: as `train` takes it, with the accuracy as its one metric.
        photos: an `image_folders.Split`.
        out: the folder of the run and of the model.
        epochs: as `train` takes it.
        batch_size: as `train` takes it.
        seed: as `train` takes it.
    """
    validation = photos.validation or photos.test
    done = train(
        model, photos.train.x, photos.train.y, folder=out, epochs=epochs, batch_size=batch_size,
        validation=(validation.x, validation.y), seed=seed,
    )  # fmt: skip
    loss, accuracy = model.evaluate(photos.test.x, photos.test.y, verbose=0)
    network = kviz.Network(model, class_names=photos.train.class_names)
    path = kviz.save_model(network, out / f"{model.name}.keras")
    click.echo(
        f"{path}: {model.count_params():,} parameters, test accuracy {accuracy:.3f}, loss {loss:.3f}, "
        f"{epochs} epochs in {done.seconds:.0f} s"
    )


def _seeds(model: Any, seed: int) -> Any:
    """Return a callback that lets what layers draw at random follow from (seed, round)."""
    states = [v for v in model.variables if v.path.endswith("seed_generator_state")]

    def reseed(epoch: int, logs: Any = None) -> None:  # noqa: ARG001 - Keras's signature
        for place, state in enumerate(states):
            words = np.random.SeedSequence((seed, epoch, place)).generate_state(2)
            state.assign(words.astype(state.dtype))

    return keras.callbacks.LambdaCallback(on_epoch_begin=reseed)


class _State:
    """What a run has on disk: a line of JSON, written last, and the weights that it names."""

    def __init__(self, folder: Path, made_of: dict[str, int], keep: str) -> None:
        self.folder, self.made_of, self.keep = folder, made_of, keep
        self.history: dict[str, list[float]] = {}
        self.seconds = 0.0
        self.done = 0

    def weights(self, number: int) -> Path:
        return self.folder / f"round_{number:04d}.weights.h5"

    def checkpoints(self) -> dict[int, Path]:
        numbers = range(1, self.done + 1)
        return {n: self.weights(n) for n in numbers if self.weights(n).exists()}

    def restore(self, model: Any) -> int:
        """Put the last round into the model and return its number, 0 where there is none."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = (self.folder / STATE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise OutputError(
                f"{sanitise(self.folder, 120)} cannot be used: {error.strerror}."
            ) from error
        again = f"Take another folder, or delete {sanitise(self.folder, 80)} to begin anew."
        try:
            found = json.loads(text)
            made_of, self.done = found["made_of"], int(found["done"])
            self.history, self.seconds = found["history"], float(found["seconds"])
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{sanitise(self.folder / STATE, 120)} is not a run's state. {again}"
            ) from error
        other = [key for key, value in self.made_of.items() if made_of.get(key) != value]
        if other:
            key = other[0]
            raise OptionError(
                f"{sanitise(self.folder, 80)} holds a run with {key} {made_of.get(key)}, not "
                f"{self.made_of[key]}. {again}"
            )
        try:
            model.load_weights(self.weights(self.done))
        except Exception as error:  # h5py and Keras raise several types.
            raise OutputError(
                f"{sanitise(self.weights(self.done), 100)} cannot be read. {again}"
            ) from error
        return self.done

    def callback(self) -> Any:
        """Return a callback that writes the state after each round."""
        state = self

        class Checkpoint(keras.callbacks.Callback):
            def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
                self.begin = time.perf_counter()

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                for name, value in (logs or {}).items():
                    state.history.setdefault(name, []).append(float(value))
                now = time.perf_counter()
                state.seconds += now - self.begin
                self.begin = now
                state.write(self.model, epoch + 1)

        return Checkpoint()

    def write(self, model: Any, number: int) -> None:
        with whole_file(self.weights(number), force=True) as part:
            weights = part.with_name("part.weights.h5")
            model.save_weights(weights)
            weights.replace(part)
        self.done = number
        found = {
            "made_of": self.made_of,
            "done": number,
            "seconds": self.seconds,
            "history": self.history,
        }
        with whole_file(self.folder / STATE, force=True) as part:
            part.write_text(json.dumps(found), encoding="utf-8")
        # Only now: until here the state on disk named the one before.
        if self.keep == "last" and number > 1:
            self.weights(number - 1).unlink(missing_ok=True)


class Recipe(click.Command):
    """A recipe's command line: what a user can mend ends in one line and 1, wrong usage in 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KvizError as error:
            click.echo(f"{ctx.info_name}: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo(
                f"{ctx.info_name}: stopped; the same command takes it up again.",
                err=True,
            )
            ctx.exit(130)


def recipe(run: Callable[..., None]) -> click.Command:
    """Make a function the command line of a recipe: `click.command` with plain endings."""
    settings = {"help_option_names": ["-h", "--help"]}
    return click.command(cls=Recipe, context_settings=settings)(run)


def options(out: str, size: int, epochs: int) -> Callable[[Any], Any]:
    """Return the options that the recipes on photos share, as one decorator.

    Args:
        out: the default folder of the run.
        size: the default side of the photos.
        epochs: the default number of epochs.

    Returns:
        A decorator for a recipe.
    """
    folder = click.Path(path_type=Path)
    count = click.IntRange(1)
    shared = (
        click.option("--data", type=folder, help="One subfolder a class, or train/ and test/."),
        click.option("--demo", is_flag=True, help="Crops of a cat against crops of coffee."),
        click.option(
            "--out", type=folder, default=out, show_default=True, help="Where the run is kept."
        ),
        click.option(
            "--size", type=count, default=size, show_default=True, help="Side of the photos."
        ),
        click.option("--epochs", type=count, default=epochs, show_default=True),
        click.option("--batch-size", type=count, default=32, show_default=True),
        click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    )

    def add(command: Any) -> Any:
        for option in reversed(shared):
            command = option(command)
        return command

    return add
