"""Network: a Keras model as a function of pixels."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kviz._caller import spelled
from kviz._checks import bytes_of, sanitise, shown, suggest
from kviz._types import Array
from kviz.engine.backend import keras, tf
from kviz.engine.engine import Engine
from kviz.engine.heads import Head
from kviz.engine.layers import LayerTable, Shape
from kviz.engine.lifting import value_key
from kviz.engine.memory import Memory
from kviz.engine.model_inputs import built_shape, input_structure
from kviz.engine.preprocessing import preprocessing
from kviz.errors import ImageError, ModelError, OptionError
from kviz.images import checked_pixels
from kviz.network import formats
from kviz.network.class_names import ClassNames, class_names_of

Preprocess = str | Callable[[Any], Any]


def _no_model(thing: Any) -> str:
    """Return what is said of a thing that is no Keras 3 model."""
    homes = {kind.__module__ for kind in type(thing).__mro__}
    if any(home.startswith(("tf_keras.", "tensorflow.python.keras.")) for home in homes):
        return (
            'This model is one of tf_keras (Keras 2). Save it, model.save("model.h5"), and give kviz '
            "that file."
        )
    if "torch.nn.modules.module" in homes:
        return f"This is a PyTorch model. {formats.TORCH.way}"
    return f"Expected a Keras 3 model, a kviz.Network or a path. Received: {sanitise(type(thing))}"


def classes_of(model: Any) -> int | None:
    """Return how many numbers the one vector has that a model gives, None where there is none."""
    outputs = getattr(model, "outputs", None) or []
    shapes = [tuple(output.shape) for output in outputs]
    flat = [shape for shape in shapes if len(shape) == 2 and shape[1] is not None]
    return int(flat[0][1]) if len(flat) == 1 else None


class Network:
    """A `keras.Model` as a function of RGB pixels in 0-255, with preprocessing and class names.

    The model itself is used as it is and never changed. A network can be pickled and copied, like its
    model, and what is compiled for a model is found again by every network of it.

    Args:
        model: any `keras.Model`: functional, Sequential, subclassed.
        preprocess: what turns pixels into what the model takes: the name of a `keras.applications`
            module (`"vgg16"`), the range that they are scaled to (`"0..1"`, `"-1..1"`), a Keras layer,
            or a function of tensors; None where the model has it inside, or takes pixels.
        class_names: a list, a dict from index to name or from name to index, a `.json` or text file (a
            name per line), or the folder of the training data, a subfolder a class.
        notes: what every result should be read with.
        path: the file that the model was read from, if any.
        loss: what the file says that the model was compiled with, if it does; what a model itself has
            been compiled with is known.
        made_new: what was changed in an old file, in plain words.
        max_memory: what one run may take, `"8GB"` or bytes, beyond which fewer images are taken at
            once, and more for one is refused. By default that is 4 GB, or half of what is free, and
            only said.
        stranger: whether the model is of somebody unknown, so that more is refused by default too.
        max_steps: for how many steps a recurrent layer may be unrolled; None for any number.

    Raises:
        ModelError: if it is not a Keras model, or the class names are not as many as its classes.
        OptionError: if `preprocess` or `max_memory` is not what it takes.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    >>> Network(model).layers[0].output_shape
    (None, 6, 6, 4)
    """

    def __init__(  # noqa: PLR0913 - what a model is
        self,
        model: Any,
        *,
        preprocess: Preprocess | None = None,
        class_names: ClassNames | None = None,
        notes: Sequence[str] = (),
        path: Path | None = None,
        loss: Any = None,
        made_new: Sequence[str] = (),
        max_memory: int | str | None = None,
        stranger: bool = False,
        max_steps: int | None = None,
    ) -> None:
        if not isinstance(model, keras.Model):
            raise ModelError(_no_model(model))
        self.model = model
        self.notes = tuple(notes)
        self.path = path
        self.made_new = tuple(made_new)
        self._loss = loss
        most = None if max_memory is None else bytes_of(max_memory)
        self._memory = Memory(most, stranger=stranger)
        self._max_steps = max_steps
        self._class_names = None if class_names is None else class_names_of(class_names)
        self.preprocess = preprocess
        classes, named = self.classes, len(self.class_names or ())
        # One unit tells two classes apart, and both have names.
        if named and classes and named != classes and (named, classes) != (2, 1):
            raise ModelError(f"The model has {classes} classes. Received: {named} class names")

    @property
    def stranger(self) -> bool:
        """Whether the model is of somebody unknown, so that more is refused by default."""
        return self._memory.stranger

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What the classes are called, None where nobody said."""
        return self._class_names

    @property
    def preprocess(self) -> Preprocess | None:
        """What turns pixels into what the model takes; it can be set anew."""
        return self._preprocess

    @preprocess.setter
    def preprocess(self, preprocess: Preprocess | None) -> None:
        self.engine = Engine(
            self.model, preprocessing(preprocess), value_key(preprocess),
            named=len(self.class_names or ()), loss=self._loss, memory=self._memory,
            most_steps=self._max_steps,
        )  # fmt: skip
        self._preprocess = preprocess
        self._specs: dict[str, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        kept = ("model", "class_names", "notes", "path", "preprocess", "made_new")
        own = {
            "loss": self._loss,
            "max_memory": self._memory.most,
            "stranger": self._memory.stranger,
            "max_steps": self._max_steps,
        }
        return own | {key: getattr(self, key) for key in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state.pop("model"), **state)  # type: ignore[misc]

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.model.name)

    @property
    def input_shapes(self) -> list[Shape] | None:
        """The inputs' shapes in channels-last order, batch first; None where it is not known."""
        return self.engine.input_shapes

    @property
    def image_size(self) -> tuple[int | None, int | None]:
        """Height and width of the image that the model takes, None where any will do."""
        shape = self.engine.image_shape
        return (shape[1], shape[2]) if shape else (None, None)

    @property
    def channels(self) -> int | None:
        """Channels of the image that the model takes, None where any will do."""
        shape = self.engine.image_shape
        return shape[3] if shape else 3

    @property
    def classes(self) -> int | None:
        """How many numbers the one vector has that an image gives, None where there is no such one."""
        return classes_of(self.model)

    def class_index(self, which: int | str, head: Head | None = None) -> int:
        """Return the index of a class.

        Args:
            which: an index, negative from the end, or a name from `class_names`; upper and lower
                case are the same.
            head: the output whose class it is, where that is known.

        Returns:
            The index, from 0.

        Raises:
            OptionError: if there is no such class.

        >>> import kviz
        >>> kviz.load_model("models/squeezenet.keras").class_index("Egyptian cat")
        285
        """
        names = self.class_names or ()
        # One unit can have names for two classes.
        count = head.classes if head is not None else max(self.classes or 0, len(names)) or None
        if isinstance(which, str) and (which in names or not re.fullmatch("-?[0-9]{1,18}", which)):
            if not self.class_names:
                raise OptionError(
                    f"The model has no class names, so {sanitise(which)!r} means nothing. Give an index"
                    + (f" from 0 to {count - 1}" if count else "")
                    + f", or {spelled('class_names', '…')}."
                )
            found = [i for i, name in enumerate(self.class_names) if name == which] or [
                i for i, name in enumerate(self.class_names) if name.casefold() == which.casefold()
            ]
            if not found:
                raise OptionError(
                    f"There is no class {sanitise(which)!r}. {suggest(which, self.class_names)}"
                )
            if len(found) > 1:
                raise OptionError(
                    f"{len(found)} classes are named {sanitise(which)!r}. Give an index: {found[:8]}"
                )
            return found[0]
        try:
            index = int(which) if isinstance(which, str) else operator.index(which)
        except TypeError:
            raise OptionError(
                f"A class is an index or a name. Received: {sanitise(repr(which))}"
            ) from None
        if count is not None:
            if not -count <= index < count:
                raise OptionError(
                    f"Class indices go from 0 to {count - 1}. Received: {shown(index)}"
                )
            index %= count
        elif index < 0:
            raise OptionError(f"A class index is 0 or more. Received: {shown(index)}")
        return index

    @property
    def layers(self) -> LayerTable:
        """Every layer that the model calls, in order, as a table.

        Raises:
            ModelError: if it is a subclassed model that has never been called.
        """
        shapes = self.input_shapes
        if shapes is not None and not self.engine.needs_sizes:
            specs = self.engine.specs(dict.fromkeys(self.engine.input_names))
        elif self._specs is not None:
            specs = self._specs
        elif shape := built_shape(self.model):
            specs = {"0": tf.TensorSpec(shape, "float32")}
        else:
            raise ModelError(
                "The model does not say what size of image it takes, so its layers cannot be "
                "listed before it has seen one. The feature maps of an image name them."
            )
        table = self.engine.layers(specs)
        if not table:
            raise ModelError("The model calls no layers.")
        return table

    def __call__(self, images: Any) -> Any:
        """Return the model's outputs for pixels, in inference mode, in float32 or float64.

        Args:
            images: array or tensor `(N, H, W, channels)`, values 0-255; for a model of several inputs a
                list, or a dict by the inputs' names. Tensors go through as they are, also symbolic
                ones, and the outputs can be differentiated by them.

        Returns:
            Tensors in the structure of the model's outputs.

        Raises:
            ImageError: if the images do not fit the model.
        """
        given = self._by_input(images)
        if any(map(tf.is_tensor, given.values())):
            return self._of_tensors(given)
        pixels = self.pixels(images)
        function = self.engine.maps(self.specs(pixels), outputs=True).function
        total = len(next(iter(pixels.values())))

        def answers(batch_size: int) -> list[Any]:
            return [
                keras.tree.map_structure(
                    lambda x: x[: stop - start],  # noqa: B023
                    self.engine.run(function, chunk)[0],
                )
                for start, stop, chunk in self.engine.chunks(pixels, batch_size)
            ]

        parts = self.engine.fitting(total, answers)
        if len(parts) == 1:
            return parts[0]
        return keras.tree.map_structure(lambda *x: tf.concat(x, 0), *parts)

    def _of_tensors(self, given: Mapping[str, Any]) -> Any:
        tensors = {name: tf.convert_to_tensor(value) for name, value in given.items()}
        specs = self.specs(tensors)
        for name, spec in specs.items():
            tensors[name] = tf.cast(tensors[name], spec.dtype)
            if tensors[name].shape.rank == spec.shape.rank - 1 and spec.shape[-1] == 1:
                tensors[name] = tensors[name][..., None]
            if not tensors[name].shape.is_compatible_with(spec.shape):
                wanted = ", ".join("any" if size is None else str(size) for size in spec.shape[1:])
                raise ImageError(
                    f"Expected a tensor of shape (N, {wanted}). Received: {tensors[name].shape}"
                )
        function = self.engine.maps(specs, outputs=True).function
        return self.engine.run(function, list(tensors.values()))[0]

    def pixels(self, images: Any) -> dict[str, Array]:
        """Return checked arrays by the names of the model's inputs, in the model's order.

        Args:
            images: as `__call__` takes them.

        Returns:
            Arrays `(N, ...)`, all of one N.

        Raises:
            ImageError: if the images do not fit the model.
        """
        shapes = self.input_shapes
        given = self._by_input(images)
        pixels = {
            name: checked_pixels(
                array,
                shapes[place] if shapes else None,
                f"input {sanitise(name, 30)!r}" if len(given) > 1 else "images",
            )
            for place, (name, array) in enumerate(given.items())
        }
        counts = {name: len(array) for name, array in pixels.items()}
        if len(set(counts.values())) > 1:
            raise ImageError(
                f"The inputs hold different numbers of images: {sanitise(counts, 200)}"
            )
        return pixels

    def validate_inputs(self, named: Iterable[Any]) -> None:
        """Raise an ImageError unless the model's inputs are named so, where it knows its inputs."""
        names = self.engine.input_names
        given = [str(name) for name in named]
        if names and set(names) != set(given):
            raise ImageError(
                f"The model takes the inputs {', '.join(sanitise(n, 30) for n in names)}. "
                f"Received: {', '.join(sanitise(n, 30) for n in given)}"
            )

    def _by_input(self, images: Any) -> dict[str, Any]:
        """Return what was given as images by the names of the model's inputs, in the model's order."""
        shapes = self.input_shapes
        names = self.engine.input_names
        if isinstance(images, Mapping):
            places = [str(place) for place in range(len(names))]
            if set(images) == set(places) != set(names):
                # They were named by their places when the model did not know its inputs yet.
                images = dict(zip(names, (images[place] for place in places), strict=True))
            names = names or [str(name) for name in images]
            self.validate_inputs(images)
            given = [images[name] for name in names]
        elif isinstance(images, list | tuple) and (
            shapes is None
            or len(shapes) > 1
            or isinstance(input_structure(self.model), list | tuple)
        ):
            given = list(images)
            names = names or [str(place) for place in range(len(given))]
        else:
            given = [images]
            names = names or ["0"]
        if len(given) != len(names):
            raise ImageError(
                f"The model takes {len(names)} inputs "
                f"({', '.join(sanitise(n, 30) for n in names)}). Received: {len(given)}"
            )
        return dict(zip(names, given, strict=True))

    def specs(self, pixels: Mapping[str, Any]) -> dict[str, Any]:
        """Return what functions are compiled for, given what has a shape, an input each."""
        self._specs = self.engine.specs(pixels)
        return self._specs

    def __repr__(self) -> str:
        shapes = ", ".join(map(str, self.input_shapes or ())) or "unknown"
        return f"<kviz.Network {sanitise(self.name)}: {shapes}, {self.classes or '?'} classes>"
