"""inspect: what a model's file holds and what of it would be refused, without loading it.

The look is the one that loading takes (`model_files`, `allowed`), told and not refused. Which class a
name stands for only Keras knows, so TensorFlow is imported for it; nothing of the file is made or run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kviz._checks import sanitise
from kviz.draw.pages import html
from kviz.draw.tables import Table, text
from kviz.errors import ModelError
from kviz.network.allowed import CODE
from kviz.network.kept import objects_known, settings_kept
from kviz.network.model_files import looked_at
from kviz.network.refusals import Asked, asked
from kviz.network.work import counted

# Of a table, as many rows as are read.
_SHOWN = 40


@dataclass(frozen=True, eq=False, repr=False)
class Inspection:
    """What a model's file holds, told without loading it.

    Attributes:
        path: the file.
        format: what it is.
        size: its bytes.
        members: of a `.keras` file, each member's name, bytes and bytes on the disk.
        keras_version: the Keras that wrote it, None where the file does not say.
        layers: how many layers there are of each class, in nested models too.
        inputs: the inputs' shapes, batch first, by name.
        parameters: the numbers that its weights hold, None where they were not reached.
        loss: what the model was compiled with, as the file writes it, or None.
        custom_objects: classes that are not Keras's.
        functions: functions that are named, as activations are.
        code: what runs code of the file's maker: each layer's class and name.
        class_names: the class names inside.
        preprocess: the preprocessing named inside, or None.
        changes: what of it is old and would be made new, a sentence each.
        refused: every reason to refuse it that can be known without loading.
        notes: what else there is to say.

    >>> found = inspect("models/squeezenet.keras")
    >>> found.layers["Conv2D"], found.inputs, found.refused
    (26, {'image': (None, 227, 227, 3)}, ())
    """

    path: Path
    format: str
    size: int | None = None
    members: tuple[tuple[str, int, int], ...] = ()
    keras_version: str | None = None
    layers: Mapping[str, int] | None = None
    inputs: Mapping[str, tuple[Any, ...]] | None = None
    parameters: int | None = None
    loss: Any = None
    custom_objects: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    preprocess: str | None = None
    changes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    verb = "inspect"

    def tables(self) -> list[Table]:
        """Return the tables of what it holds, its members, its layers and what would be refused."""
        facts = [(name, value) for name, value in self._told() if value]
        tables = [Table(sanitise(self.path, 200), ("what", "found"), facts)]
        if self.members:
            rows = [(name, _bytes(size), _bytes(disk)) for name, size, disk in self.members]
            tables.append(_shown(Table("Members", ("name", "size", "on the disk"), rows)))
        if self.layers:
            tables.append(_shown(Table("Layers", ("class", "count"), [*self.layers.items()])))
        return tables

    def _told(self) -> Iterator[tuple[str, str]]:
        yield "format", self.format
        yield "size", "" if self.size is None else _bytes(self.size)
        yield "written by", f"Keras {self.keras_version}" if self.keras_version else ""
        shapes = [f"{name} {_shape(shape)}" for name, shape in (self.inputs or {}).items()]
        yield "inputs", ", ".join(shapes)
        yield "layers", str(sum(self.layers.values())) if self.layers else ""
        yield "parameters", "" if self.parameters is None else f"{self.parameters:,}"
        yield "loss", _loss_name(self.loss)
        yield "own classes", ", ".join(self.custom_objects)
        yield "functions", ", ".join(self.functions)
        yield "code", ", ".join(self.code)
        names = self.class_names
        yield (
            "class names",
            f"{len(names)}: {', '.join(names[:3])}{' …' * (len(names) > 3)}" if names else "",
        )
        yield "preprocess", self.preprocess or ""
        yield "would load", "no" if self.refused else "yes"
        for change in self.changes:
            yield "made new", change

    def facts(self) -> dict[str, Any]:
        """Return all of it as dicts and lists that JSON can hold."""
        return {
            "verb": self.verb,
            "path": str(self.path),
            "format": self.format,
            "size": self.size,
            "members": [
                {"name": name, "size": size, "stored": stored}
                for name, size, stored in self.members
            ],
            "keras_version": self.keras_version,
            "layers": dict(self.layers) if self.layers is not None else None,
            "inputs": {name: list(shape) for name, shape in (self.inputs or {}).items()},
            "parameters": self.parameters,
            "loss": self.loss,
            "custom_objects": list(self.custom_objects),
            "functions": list(self.functions),
            "code": list(self.code),
            "class_names": list(self.class_names),
            "preprocess": self.preprocess,
            "changes": list(self.changes),
            "loads": not self.refused,
            "refused": list(self.refused),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        parts = [text(table) for table in self.tables()]
        if self.refused:
            reasons = "\n".join(f"- {sanitise(reason, 300)}" for reason in self.refused)
            parts.append(f"Would be refused\n{reasons}")
        return "\n\n".join([*parts, *self.notes])

    def _repr_html_(self) -> str:
        reasons = Table("Would be refused", ("reason",), [(reason,) for reason in self.refused])
        return html(tables=[*self.tables(), *([reasons] if self.refused else [])], notes=self.notes)


def inspect(
    path: str | Path,
    *,
    trust: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
) -> Inspection:
    """Tell what a model's file holds, and every reason to refuse it that can be known without loading.

    Nothing of it is loaded or run. A file that is no model of Keras's is told too: what it is, and the
    way that works.

    Args:
        path: the file, or a folder.
        trust: tell what would be refused although you trust its maker.
        custom_objects: your own classes and functions, by name, as for `kviz.load_model`.

    Returns:
        An `Inspection`.

    Raises:
        ModelError: if there is nothing to tell: no such file, or none that can be read.

    >>> inspect("models/squeezenet.keras").keras_version[:2]
    '3.'
    """
    if not isinstance(path, str | Path):
        raise ModelError(f"Expected the path of a model's file. Received: {sanitise(repr(path))}")
    path = Path(path)
    known = objects_known(custom_objects)
    with settings_kept(), known, counted(trust=trust), asked() as seen:
        try:
            with looked_at(path, trust=trust):
                pass
        except ModelError as error:
            if "format" not in seen.facts:
                raise
            seen.refuse(str(error))
    return _inspection(path, seen)


def _inspection(path: Path, seen: Asked) -> Inspection:
    facts = seen.facts
    config, metadata = facts.get("config"), facts.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    extra = metadata.get("kviz")
    extra = extra if isinstance(extra, dict) else {}
    names = extra.get("class_names")
    version = metadata.get("keras_version")
    entries = [*_objects(config)]
    more = f"{seen.more} more reasons to refuse it are not listed." if seen.more else None
    return Inspection(
        path=path,
        format=facts["format"],
        size=path.stat().st_size if path.is_file() else None,
        members=tuple(facts.get("members", ())),
        keras_version=None if version is None else sanitise(version, 20),
        layers=dict(_layers(config)) if config is not None else None,
        inputs=_inputs(config),
        parameters=facts.get("parameters"),
        loss=facts.get("compiled"),
        custom_objects=tuple(facts.get("own", ())),
        functions=_once(entry["config"] for entry in entries if entry["class_name"] == "function"),
        code=_once(
            f"{kind.strip('_')} {sanitise(entry['config'].get('name'), 60)!r}"
            if isinstance(entry["config"], dict) and entry["config"].get("name")
            else kind.strip("_")
            for entry in entries
            if (kind := _plain(entry)) in CODE
        ),
        class_names=tuple(map(str, names)) if isinstance(names, list) else (),
        preprocess=str(extra["preprocess"]) if "preprocess" in extra else None,
        changes=tuple(facts.get("changes", ())),
        refused=tuple(seen.reasons),
        notes=(more,) if more else (),
    )


def _once(values: Iterator[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(value) for value in values))


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Give every object that a config names, in its order."""
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += reversed(value)
        elif isinstance(value, dict):
            is_object = "class_name" in value and "config" in value
            if is_object:
                yield value
            # A Lambda's code is a part of it.
            if not (is_object and _plain(value) in CODE):
                stack += reversed(value.values())


def _plain(entry: dict[str, Any]) -> str:
    return str(entry["class_name"]).rpartition(".")[2]


def _layers(config: Any) -> Counter[str]:
    """Count the layers of each class, the models among them too."""
    return Counter(
        sanitise(layer["class_name"], 60)
        for entry in _objects(config)
        for layer in _layers_of(entry["config"])
        if isinstance(layer, dict) and "class_name" in layer
    )


def _layers_of(config: Any) -> list[Any]:
    # Up to Keras 2.2.2 the config of a Sequential was its layers.
    inside = config.get("layers") if isinstance(config, dict) else config
    return inside if isinstance(inside, list) else []


def _inputs(config: Any) -> dict[str, tuple[Any, ...]]:
    """Return the shapes of what a model takes, as its config writes them."""
    found: dict[str, tuple[Any, ...]] = {}
    inner = config.get("config") if isinstance(config, dict) else None
    layers = [layer for layer in _layers_of(inner) if isinstance(layer, dict)]
    for layer in layers:
        own = layer.get("config")
        if layer.get("class_name") == "InputLayer" and isinstance(own, dict):
            shape = own.get("batch_shape", own.get("batch_input_shape"))
            if isinstance(shape, list):
                found[str(own.get("name") or len(found))] = tuple(shape)
    if found or not layers:
        return found
    first = layers[0].get("config")
    shape = first.get("batch_input_shape") if isinstance(first, dict) else None
    if not isinstance(shape, list) and isinstance(inner, dict):
        shape = inner.get("build_input_shape")
    return {"": tuple(shape)} if isinstance(shape, list) else _inputs(layers[0])


def _shown(table: Table) -> Table:
    left = len(table.rows) - _SHOWN
    if left <= 0:
        return table
    rows = [*table.rows[:_SHOWN], (f"and {left} more", *[""] * (len(table.headers) - 1))]
    return Table(table.caption, table.headers, rows)


def _shape(shape: tuple[Any, ...]) -> str:
    sizes = ", ".join("any" if size is None else sanitise(size, 20) for size in shape[1:9])
    return f"({sizes})"


def _loss_name(loss: Any) -> str:
    if isinstance(loss, dict):
        inner = loss.get("config")
        name = inner.get("name") if isinstance(inner, dict) else inner
        return sanitise(name or loss.get("class_name") or loss, 60)
    return "" if loss is None else sanitise(loss, 60)


def _bytes(size: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}" if unit != "bytes" else f"{size} bytes"
        size = size / 1000  # type: ignore[assignment]
    return f"{size:.3g} GB"
