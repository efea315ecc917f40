"""What a model's outputs mean, told once for every verb: which is read, and what its numbers are.

A head is told by the operation that makes it, never by its values: a regression that answers 0.7 is no
probability. Where the operation leaves it open (one linear unit, a map of three channels), the loss
that the model was compiled with and the number of class names decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kviz._caller import spelled
from kviz._checks import sanitise, shown
from kviz.engine.backend import keras, tf
from kviz.engine.graph import activated, unnormalise
from kviz.engine.model_inputs import to_channels_last
from kviz.errors import OptionError

Kind = Literal[
    "classes", "labels", "unit", "values", "class map", "label map", "unit map", "image", "other"
]
LossKind = Literal["binary", "classes", "values"] | None


@dataclass(frozen=True)
class Head:
    """What one of a model's outputs means.

    Attributes:
        name: its key in a dict of outputs, else its place.
        place: among all outputs, flat.
        layer: what the model calls it, such as the name of its last layer; "" where it does not say.
        kind: `"classes"` (one of them), `"labels"` (any of them, a sigmoid each), `"unit"` (one number
            that tells class 1 from class 0), `"values"` (of a regression); the first three of each
            position: `"class map"`, `"label map"`, `"unit map"`; `"image"`; or `"other"`.
        classes: how many classes or values there are; None where there are none or it is not known.
        activation: what makes the scores: `"softmax"`, `"log_softmax"`, `"sigmoid"` or "".
        names: of all outputs, for several.
        axes: how many axes its positions have; 0 for a vector.
        channels_first: whether a map has its channels before its positions.
    """

    name: int | str
    place: int
    layer: str
    kind: Kind
    classes: int | None
    activation: str
    names: tuple[int | str, ...]
    axes: int = 0
    channels_first: bool = False

    @property
    def is_map(self) -> bool:
        """Whether it answers with classes for each position."""
        return self.kind in ("class map", "label map", "unit map")

    @property
    def has_classes(self) -> bool:
        """Whether its numbers are classes' scores."""
        return self.kind not in ("values", "image", "other")

    @property
    def is_unit(self) -> bool:
        """Whether one number tells class 1 from class 0."""
        return self.kind in ("unit", "unit map")

    @property
    def is_probability(self) -> bool:
        """Whether what the model gives is a probability, or its logarithm."""
        return self.has_classes and self.activation != ""

    @property
    def independent(self) -> bool:
        """Whether each class has a probability of its own."""
        return self.kind in ("labels", "label map")

    @property
    def note(self) -> str:
        """What is to be said where there are several outputs, else ""."""
        if len(self.names) < 2:
            return ""
        every = sanitise(", ".join(map(str, self.names)), 120)
        return f"Output {sanitise(repr(self.name))} of {every}."

    def label(self, index: int, class_names: Sequence[str] | None) -> str:
        """Return what a class or value is called.

        Args:
            index: which.
            class_names: the classes' names, or None.
        """
        named = class_names is not None and len(class_names) == self.classes
        return label_of(self.kind, index, class_names if named else None)

    def output(self, outputs: Any) -> Any:
        """Return this output, channels last, of a vector `(N, values)`."""
        tensor = keras.tree.flatten(outputs)[self.place]
        if tensor.shape.rank == 1:
            return tensor[:, None]
        return to_channels_last(tensor) if self.channels_first else tensor

    def logits(self, outputs: Any) -> Any:
        """Return the unnormalised scores `(N, …, classes)` while tracing; one unit's are ∓ and ± it."""
        flat = keras.tree.flatten(outputs)
        flat[self.place] = unnormalise(flat[self.place])
        scores = self.output(flat)
        return tf.concat([-scores, scores], -1) if self.is_unit else scores

    def here(self, outputs: Any) -> Any:
        """Return for each position of a class map which classes are predicted, bool `(N, …, classes)`.

        The best one, or of labels any that is likelier than not.
        """
        logits = self.logits(outputs)
        if self.independent:
            return logits > 0
        axis = logits.shape.rank - 1
        count = tf.shape(logits)[axis]
        return tf.one_hot(tf.argmax(logits, axis), count, on_value=True, off_value=False)

    def answers(self, outputs: Any) -> tuple[Any, Any]:
        """Return what the model answers, while tracing: numbers `(N, classes)`, and a map or none.

        Probabilities where it gives such or their logarithms, else its scores or values; of a class
        map the share of the positions at which each class is predicted, and int32 `(N, …)`: the best
        class of each, -1 where no label is likelier than not; of an image no numbers and the image.
        """
        output = self.output(outputs)
        none = tf.zeros([tf.shape(output)[0], 0], "int32")
        if self.kind == "image":
            return tf.zeros([tf.shape(output)[0], 0]), output
        if self.is_map:
            here = self.here(outputs)
            best = tf.argmax(self.logits(outputs), here.shape.rank - 1, "int32")
            best = tf.where(tf.reduce_any(here, -1), best, -1)
            shares = tf.reduce_mean(tf.cast(here, "float32"), list(range(1, here.shape.rank - 1)))
            return shares, best
        if self.activation == "log_softmax":
            return tf.exp(output), none
        if self.is_unit:
            other = 1 - output if self.activation == "sigmoid" else -output
            output = tf.concat([other, output], -1)
        return output, none


def label_of(kind: str, index: int, class_names: Sequence[str] | None) -> str:
    """Return what a class or a value of a head is called.

    >>> label_of("classes", 0, ["cat"]), label_of("unit", 1, None), label_of("values", 0, None)
    ('cat', 'class 1', 'output 0')
    """
    if kind == "values":
        return f"output {index}"
    return class_names[index] if class_names else f"class {index}"


def heads_of(
    outputs: Any,
    *,
    inputs: Sequence[Any] = (),
    layers: Sequence[str] = (),
    named: int = 0,
    loss: Any = None,
    channels_first: bool = False,
) -> tuple[Head, ...]:
    """Return what each of a model's outputs means.

    Args:
        outputs: a symbolic tensor, or a structure of them.
        inputs: the model's, channels last.
        layers: what the model calls its outputs, flat.
        named: how many class names there are.
        loss: what the model was compiled with, or what a file says of it, or None.
        channels_first: the order of axes of the model's inputs.
    """
    flat = keras.tree.flatten(outputs)
    names: tuple[int | str, ...] = tuple(range(len(flat)))
    if isinstance(outputs, dict) and len(outputs) == len(flat):
        # In the order in which Keras takes a dict apart.
        names = tuple(keras.tree.flatten({key: str(key) for key in outputs}))
    found = []
    for place, (name, tensor) in enumerate(zip(names, flat, strict=True)):
        layer = layers[place] if len(layers) == len(flat) else ""
        rank = tensor.shape.rank
        first = channels_first and rank is not None and rank > 2
        count = 1 if rank == 1 else tensor.shape[1 if first else -1] if rank else None
        activation = activated(tensor)
        kind = _kind(
            tensor, count, activation, inputs, named, loss_kind(loss, (name, layer), place)
        )
        if kind in ("unit", "unit map"):
            count = 2
        found.append(
            Head(
                name=name, place=place, layer=layer, kind=kind,
                classes=count if kind not in ("image", "other") else None,
                activation=activation, names=names,
                axes=max((rank or 0) - 2, 0), channels_first=first,
            )
        )  # fmt: skip
    return tuple(found)


def choose_head(heads: Sequence[Head], output: int | str | None = None) -> Head:
    """Return the head that is meant, or the one that is most likely asked about.

    Args:
        heads: as `heads_of` returns them.
        output: a key, what the model calls it, or a place; by default the first that gives
            probabilities, else scores of classes, else what there is.

    Raises:
        OptionError: if there is no such output.
    """
    if output is None:
        return min(heads, key=_rank)
    for of in ("name", "layer", "place"):
        for head in heads:
            if getattr(head, of) == output or (of != "layer" and str(getattr(head, of)) == output):
                return head
    said = ", ".join(
        repr(head.name) + (f" ({head.layer})" if head.layer not in ("", head.name) else "")
        for head in heads
    )
    raise OptionError(
        f"{spelled('output')} takes one of the model's outputs: {sanitise(said, 160)}. "
        f"Received: {shown(output, 60)}"
    )


_ORDER = ("classes", "labels", "unit", "class map", "label map", "unit map", "values", "image")


def _rank(head: Head) -> tuple[bool, bool, int]:
    place = _ORDER.index(head.kind) if head.kind in _ORDER else len(_ORDER)
    # Box offsets are as many linear numbers as there are classes: a probability is none.
    return head.is_map or not head.has_classes, not head.is_probability, place


def _kind(
    tensor: Any,
    count: int | None,
    activation: str,
    inputs: Sequence[Any],
    named: int,
    loss: LossKind,
) -> Kind:
    rank = tensor.shape.rank
    if not rank or not tensor.dtype.is_floating:
        return "other"
    # What was said of it besides: one unit has names for two classes.
    binary = count == 1 and (named == 2 or loss == "binary")
    values = loss == "values" and named != count and not binary
    if rank <= 2:
        if count == 1:
            return "unit" if binary or activation == "sigmoid" else "values"
        if values and activation in ("", "sigmoid"):
            return "values"
        return "labels" if activation == "sigmoid" else "classes"
    alike = [x for x in inputs if x.shape.rank == rank]
    if not alike:
        return "other"
    if binary:
        return "unit map"
    pictured = count in (1, 3) and named != count and any(x.shape[-1] == count for x in alike)
    if _is_image(count, activation, values, pictured and loss != "classes"):
        return "image"
    if activation != "sigmoid":
        return "class map"
    return "unit map" if count == 1 else "label map"


def _is_image(count: int | None, activation: str, values: bool, pictured: bool) -> bool:
    """Return whether a map is a picture: of values, or with the colours of the one that was given."""
    if activation == "sigmoid":
        return values or (pictured and count == 3)
    return not activation and (values or count == 1 or pictured)


_VALUES = frozenset(
    "mse mae mape msle meansquarederror meanabsoluteerror meanabsolutepercentageerror "
    "meansquaredlogarithmicerror huber logcosh poisson cosinesimilarity".split()
)


def loss_kind(loss: Any, names: Sequence[int | str] = (), place: int = 0) -> LossKind:
    """Return for what a loss is made: two classes told apart by one unit, several classes, or values.

    Args:
        loss: a name, a `keras.losses.Loss`, a function, how a file writes one of these, or a list or
            dict of them for several outputs.
        names: what an output is called.
        place: which of the outputs it is.

    >>> loss_kind("binary_crossentropy"), loss_kind("mse"), loss_kind(None)
    ('binary', 'values', None)
    """
    if isinstance(loss, Mapping) and "class_name" not in loss:
        loss = next((loss[name] for name in names if name in loss), None)
    elif isinstance(loss, list | tuple):
        loss = loss[place] if place < len(loss) else None
    if isinstance(loss, Mapping):
        # In a file a function is its name, anything else its class.
        config = loss.get("config")
        loss = config if isinstance(config, str) else str(loss.get("class_name"))
    if loss is None:
        return None
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    plain = name.lower().replace("_", "")
    if plain.startswith("binary"):
        return "binary"
    if plain in _VALUES:
        return "values"
    return "classes" if "categorical" in plain or plain.startswith("kl") else None
