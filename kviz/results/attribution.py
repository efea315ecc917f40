"""Attributions: how much each pixel counts for or against a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from PIL import Image

from kviz._caller import spelled
from kviz._checks import sanitise, validate_choice
from kviz._types import Array, Images, ModelLike, Progress, ScoreLike
from kviz.arrays import Levels, is_picture, pixel_span
from kviz.draw.heat import PERCENTILE, Caption, Heat, Limits, Seen, Sign, enlarged, heat
from kviz.draw.numbers import told_number
from kviz.draw.tables import Table
from kviz.errors import OptionError
from kviz.extras import installed
from kviz.files import slug
from kviz.originals import original_of
from kviz.results.certificate import Certificate
from kviz.results.made_by import MadeBy
from kviz.results.result import Picture, Result, class_facts, validate_image
from kviz.tiles import Tile

Shared = Literal["each", "shared"]
SCALES = ("each", "shared")


class Explained(NamedTuple):
    """One map, of one image for one class; `gap` is None for methods that have none.

    `negative` says that ReLU left nothing of it; `certificate` is None where nobody asked for one.
    """

    map: Array
    class_index: int
    label: str
    score: float
    gap: float | None
    negative: bool = False
    certificate: Certificate | None = None

    @property
    def flag(self) -> str:
        """Return whether it does better than chance, "" where that is not known."""
        if self.certificate is None:
            return ""
        return self.certificate.flag

    def facts(self) -> dict[str, Any]:
        """Return its numbers, as `Result.facts` has them."""
        return {
            "class": class_facts(self.class_index, self.label, self.score, False),
            "min": self.map.min(),
            "max": self.map.max(),
            "completeness_gap": self.gap,
            "negative_everywhere": self.negative,
            "certificate": None if self.certificate is None else self.certificate.facts(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Result):
    """How much each pixel counts: a map for each image, and for each of several classes.

    Attributes:
        maps: float32 `(N, H, W)`, signed where the method is; `(N, classes, H, W)` for several
            classes; with a last axis of channels where they were kept.
        raw: what the method gave: of the layer's size, or with channels.
        scores: float32 `(N,)` or `(N, classes)`: the scores explained.
        score_name: what the scores are called, such as `"logit"`.
        classes: int32 like `scores`, -1 where the score is not a class's.
        class_names: the classes' names, flat.
        method: the method's name.
        title: what the method is called for people, where that is not its name.
        layers: of methods that look at layers, the paths of those that they looked at.
        images: what was explained, as it was given: pixels `(N, H, W, channels)`, signals
            `(N, L, channels)`, volumes or films `(N, D, H, W, channels)`, features `(N, F)`; or None.
        gaps: for methods whose sum means something, how far it is from what it should be, relative to
            that; where that is 0, to how far the score moves on the way.
        negative: bool like `scores`: ReLU left nothing of a map that was below zero, so that it is
            zero everywhere; None of methods that do not end in ReLU.
        certificates: what each map was put to, like `class_names`; none before `certify`.
        names: what the images are called.
        made_by: versions, model, method and settings that made it.
        notes: what every picture should be read with.
    """

    maps: Array
    raw: Array
    scores: Array
    classes: Array
    class_names: tuple[str, ...]
    method: str
    title: str = ""
    score_name: str = "score"
    layers: tuple[str, ...] = ()
    images: Array | None = None
    gaps: Array | None = None
    negative: Array | None = None
    certificates: tuple[Certificate, ...] = ()
    names: tuple[str, ...] = ()
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()

    verb = "attribute"

    @property
    def _title(self) -> str:
        return self.title or self.method

    @property
    def _layer(self) -> str:
        """The layer that was looked at, "" for none; of a path in nested models the last name."""
        paths = [sanitise(path.rpartition("/")[2], 24) for path in self.layers]
        return paths[0] if len(paths) == 1 else f"{len(paths)} layers" * bool(paths)

    def explained(self, image: int) -> list[Explained]:
        """Return the maps of one image, one for each class that was explained.

        Args:
            image: which of the images, from 0.
        """
        image = validate_image(image, len(self.maps))
        many = self.classes.shape[1] if self.classes.ndim > 1 else 1
        # A view `(N, classes, …)`, also of what has one class an image.
        maps = self.maps.reshape(len(self.maps), many, *self.maps.shape[self.classes.ndim :])
        gaps = None if self.gaps is None else self.gaps.reshape(-1, many)
        return [
            Explained(
                maps[image, place],
                int(self.classes.reshape(-1, many)[image, place]),
                self.class_names[image * many + place],
                float(self.scores.reshape(-1, many)[image, place]),
                None if gaps is None else float(gaps[image, place]),
                self.negative is not None and bool(self.negative.reshape(-1, many)[image, place]),
                self.certificates[image * many + place] if self.certificates else None,
            )
            for place in range(many)
        ]

    def certify(
        self,
        network: ModelLike,
        images: Images | None = None,
        *,
        score: ScoreLike | None = None,
        batch_size: int = 32,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Attribution:
        """Return the same with a certificate of each map: whether it does better than chance, and more.

        Deletion and insertion, in 16 steps on black and on blur, beside the map itself moved to
        other places, random numbers and a blob in the middle; how far the map changes when the
        weights of the top layer and of all layers are shuffled (the model stays as it is), and when
        the photo has a little noise; and the completeness gap where the method has one. It takes some
        450 forward passes per image and class, and five maps.

        Args:
            network: what was explained: a `Network`, a `keras.Model` or a path.
            images: the same images, as `attribute` takes them; needed of a model of several inputs, and
                where they are not kept.
            score: what was explained, where that is not a class's score.
            batch_size: images processed at once.
            seed: for what is drawn at random.
            progress: called with (classes done, classes in all).

        Returns:
            An `Attribution`; `.certificates` has a `Certificate` for each image and class.

        Raises:
            OptionError: if images or a score are missing, the network gives another score, or the maps
                have another size than the images.
            ImageError: if the images are others, or a score is not finite.

        >>> import kviz
        >>> network = kviz.load_model("models/fashion_cnn.keras")
        >>> found = kviz.attribute(network, "notebooks/images/fashion/8_bag.png", "gradient")
        >>> found.certify(network).certificates[0].words()[-1][:33]
        'Not shown: that the map is right,'
        """
        # The only way up from a result: what it was made of is measured there.
        from kviz.metrics.certificate import certify

        return certify(
            self, network, images, score=score, batch_size=batch_size, seed=seed, progress=progress
        )

    def tiles(
        self,
        *,
        image: int | None = None,
        cmap: str | None = None,
        alpha: float | None = None,
        percentile: float = PERCENTILE,
        sign: Sign = "all",
        scale: Shared = "each",
        feature_names: Sequence[str] = (),
    ) -> list[Tile]:
        """Return for each image it, its map and both over each other; a map more for each class.

        A signal is drawn as a line with its heat under it, a volume slice by slice with the heat of
        each beside it, a film as a strip of frames with their heat below, features as bars, and
        channels that were kept as a panel each.

        Args:
            image: which of the images, from 0; by default all.
            cmap: a Matplotlib colour map; by default viridis from 0, and blue-white-red about 0 for
                signed maps.
            alpha: how opaque the map is over the image, 0 to 1; by default as its values are large, and
                at most 0.8, so that what counts most is still seen.
            percentile: of the absolute values, where colours end; 100 for the largest.
            sign: `"all"` values, the `"positive"` or `"negative"` ones alone, or `"absolute"` ones.
            scale: `"each"`: a colour scale for each map; `"shared"`: one for all of them.
            feature_names: what the features of a table are called.

        Returns:
            Tiles.

        Raises:
            OptionError: if there is no such image, or an option has a value outside what it takes.
        """
        validate_choice("scale", scale, SCALES)
        how = Heat(cmap, alpha, percentile, sign)
        limits = how.limits(how.taken(self.maps)) if scale == "shared" else None
        wanted = range(len(self.maps)) if image is None else [image]
        made: list[Tile] = []
        for index in wanted:
            photo = self.photo(index)
            maps = self.explained(index)
            made += [photo] if photo is not None and maps[0].map.ndim > 1 else []
            for one in maps:
                made += self.heat(index, one, how, limits, feature_names=feature_names)
        return made

    def photo(self, image: int) -> Tile | None:
        """Return an image as a tile, None where it is no picture."""
        levels = self._seen(image).photo
        if levels is None:
            return None
        name = self._image_name(image)
        return Tile(levels, name, "the image", f"The image {name}.", role="image")

    def heat(
        self,
        image: int,
        one: Explained,
        how: Heat,
        limits: Limits | None = None,
        *,
        title: str = "",
        feature_names: Sequence[str] = (),
    ) -> list[Tile]:
        """Return one map's tiles, the last one over the image where it can be laid over it.

        Args:
            image: which of the images, from 0.
            one: the map, one of `explained(image)`.
            how: how values become colours.
            limits: the values at which colours begin and end; by default the map's own.
            title: what the method is called, by default its own name.
            feature_names: what the features of a table are called.
        """
        title, name = title or self._title, self._image_name(image)
        nothing = "every value is zero"
        if one.negative:
            nothing = (
                f"negative everywhere, ReLU leaves nothing: {spelled('relu', 'False')} shows it"
            )
        layer, flag = self._layer, one.flag
        more = "".join(f" · {part}" for part in (layer, flag) if part)
        caption = Caption(
            f"{title} · {one.label}", f"{name} · {self.score_name} {told_number(one.score)}{more}",
            f"{title}{layer and f' at {layer}'} for {one.label} on {name}{flag and f', {flag}'}: ",
            nothing,
        )  # fmt: skip
        tiles = heat(one.map, caption, how, self._seen(image, feature_names), limits)
        if one.certificate is None:
            return tiles
        comment = " ".join(one.certificate.words())
        return [replace(tile, comment=comment) for tile in tiles]

    def _seen(self, image: int, feature_names: Sequence[str] = ()) -> Seen:
        image = validate_image(image, len(self.maps))
        if self.images is None:
            return Seen(names=tuple(feature_names))
        return Seen(self.images[image], pixel_span(self.images), tuple(feature_names))

    def overlay(
        self,
        *,
        image: int | None = None,
        class_index: int | None = None,
        original: bool | str | Path | Array = False,
        cmap: str | None = None,
        alpha: float | None = None,
        percentile: float = PERCENTILE,
        sign: Sign = "all",
    ) -> Levels:
        """Return a map over its image, as pixels: without title, bar or margin.

        Args:
            image: which of the images, from 0; needed where there are several.
            class_index: of several classes that were explained the one that is meant, by default the
                first.
            original: True for the photo at its own size and shape, as it was before it was cropped or
                resized for the network; where it is not known from which file it was read, the photo
                itself: a path, or an array uint8 `(H, W, 3)`. What the network did not see is grey.
            cmap: as `tiles` takes it; so the others.
            alpha: how opaque the map is.
            percentile: where colours end.
            sign: which values are drawn.

        Returns:
            uint8 array `(H, W, 3)`.

        Raises:
            OptionError: if there is no such image or class, or these are no pictures.
            ImageError: if the original is not known, or another photo.
        """
        if image is None and len(self.maps) > 1:
            raise OptionError(
                f"Say which of {len(self.maps)} images: image= takes a number from 0."
            )
        image = validate_image(image or 0, len(self.maps))
        explained = self.explained(image)
        one = next((x for x in explained if class_index in (None, x.class_index)), None)
        if one is None:
            known = ", ".join(str(other.class_index) for other in explained)
            raise OptionError(
                f"class_index takes a class that was explained: {known}. "
                f"Received: {sanitise(repr(class_index))}"
            )
        photo = self._seen(image).photo
        if photo is None or self.images is None or photo.shape[:2] != one.map.shape:
            raise OptionError(
                "overlay() needs maps that lie over pictures: (N, H, W) of their size."
            )
        how = Heat(cmap, alpha, percentile, sign)
        values = how.taken(one.map)
        limits = how.limits(values)
        if original is not False:
            found = original_of(self.images[image], None if original is True else original)
            photo = found.pixels
            values = enlarged(values, found.box, photo.shape[:2])
        return how.over(photo, values, limits)

    def image(self, *item: Any, original: bool | str | Path | Array = False, **options: Any) -> Any:
        """Return a map over its image as a Pillow image, or the map where it lies over none.

        Args:
            *item: none.
            original: as `overlay` takes it.
            **options: as `overlay` takes them, for pictures; else as `tiles` does.

        Returns:
            A `PIL.Image.Image`.
        """
        if original is not False or "class_index" in options:
            return Image.fromarray(self.overlay(original=original, **options))
        return super().image(*item, **options)

    def _main(self, tiles: list[Tile]) -> list[Tile]:
        over = [tile for tile in tiles if tile.role == "overlay"]
        return over or [tile for tile in tiles if tile.role != "image"]

    def _across(self, tiles: list[Tile]) -> int:
        # A row per image: the tiles are as many for each. What is wide has a row per class.
        if tiles[0].chart is not None and tiles[0].role == "overlay":
            return 1
        photos = sum(tile.role == "image" for tile in tiles)
        return len(tiles) // photos if photos else len(self.class_names) // len(self.maps)

    def tables(self) -> list[Table]:
        """Return each map's class, score, range and gap, and of maps that have them certificates.

        These come first where a map does no better than chance.
        """
        return self.titled(self._title)

    def titled(self, title: str) -> list[Table]:
        """Return its tables.

        Args:
            title: what the method is called.
        """
        rows = [
            (
                self._image_name(image),
                one.label,
                told_number(one.score),
                told_number(one.map.min()),
                told_number(one.map.max()),
                *(() if one.gap is None else (told_number(one.gap, 2),)),
            )
            for image in range(len(self.maps))
            for one in self.explained(image)
        ]
        headers = ["image", "class", self.score_name, "min", "max"]
        headers += [] if self.gaps is None else ["completeness gap"]
        of = f" at {sanitise(', '.join(self.layers), 80)}" if self.layers else ""
        tables = [Table(f"{title}{of}: attribution", headers, rows)]
        if self.certificates:
            known = all(one.better_than_chance for one in self.certificates)
            tables.insert(len(tables) if known else 0, self._certified(title))
        return tables

    def _certified(self, title: str) -> Table:
        """Return the certificates, a row per sentence."""
        rows = [
            ((self._image_name(image), one.label) if place == 0 else ("", "")) + (sentence,)
            for image in range(len(self.maps))
            for one in self.explained(image)
            for place, sentence in enumerate(one.certificate.words() if one.certificate else ())
        ]
        return Table(f"{title}: can it be trusted", ("image", "class", "found"), rows)

    def _facts(self) -> dict[str, Any]:
        return {
            "images": [
                {
                    "name": self._image_name(image),
                    "maps": [
                        {"method": self.method, "layers": list(self.layers), **one.facts()}
                        for one in self.explained(image)
                    ],
                }
                for image in range(len(self.maps))
            ]
        }

    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        for image in range(len(self.maps)):
            for one in self.explained(image):
                facts = one.facts()
                told, certificate = facts.pop("class"), facts.pop("certificate")
                if certificate is not None:
                    facts["better_than_chance"] = certificate["better_than_chance"]
                rows.append(
                    {"image": self._image_name(image), "method": self.method, **told, **facts}
                )
        return rows

    def to_xarray(self) -> Any:
        """Return the maps as an `xarray.DataArray` with named axes: image, class, y, x, channel.

        Class and channel are axes where there are several of them.

        Raises:
            OptionError: if xarray is not installed.
        """
        lead = ("image", "class")[: self.classes.ndim]
        rest = self.maps.ndim - len(lead)
        # Only of a picture is it known which axis is which.
        known = ("y", "x", "channel")[:rest]
        axes = known if is_picture(self.images) else [f"axis_{place}" for place in range(rest)]
        return installed("xarray", "to_xarray()").DataArray(
            self.maps,
            dims=(*lead, *axes),
            coords={
                "image": [self._image_name(image) for image in range(len(self.maps))],
                "class_index": (lead, self.classes),
                "score": (lead, self.scores),
            },
            name=self.method,
        )

    def _pictures(self, **options: Any) -> list[Picture]:
        return self._tiles_as_files(slug(self.method), len(self.maps), options)
