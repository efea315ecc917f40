"""A session: one model, or two beside each other, and the asks that it answers, whoever carries them.

The app (`kviz.serve.app`, WebSocket) and the notebook (`kviz.serve.explore`, a widget's messages) speak
the same language, which is this.

**Message.** A head, JSON, and arrays. Over WebSocket it is one binary frame (`kviz.serve.frames`): the
head's length as uint32 LE, the head in UTF-8, padded with spaces so that what follows begins at a
multiple of 8, then the arrays, C order, little-endian, each beginning at a multiple of 8, counted from
the frame's beginning. In a notebook the head is the message's content and the arrays are its buffers,
in order. `head["arrays"]` tells of each `{"name", "dtype", "shape", "offset"}`: dtype is `uint8`,
`int8`, `uint16`, `int32`, `float32`; `offset` counts bytes from the end of the padded head, and is not
there in a notebook.

**Ask** `{"id": 7, "ask": "maps", …options}`. `id` is a whole number that the reader chooses and uses
once. With `"model": 1` it is asked of the second model (`--compare`), by default of the first, 0.

**Answers** carry the ask's `id`, `ask` and `model`, and are one of:

- the reply: `{"id", "ask", "model", …, "arrays"}`; none of the other keys below is in it.
- `{"progress": [done, total]}`, any number of them before the reply; of `pattern` and `class_image` with
  the picture so far, the array `picture`. Those that a slow reader does not take are left out.
- `{"error": sentence, "code": word}`. Codes: `option` (something in the ask is not what it takes),
  `gone` (the photo is no longer kept: send it again), `cannot` (the model or photo does not allow it),
  `busy` (too many asks wait), `fault` (of kviz).
- `{"dropped": true}`: a newer transient photo came before this one was looked at.
- `{"cancelled": true}`: after `cancel`.

The newest ask is answered first; slow ones (`"slow": true` in `hello`) wait for all others, which are
also answered between the steps of a slow one that runs. A reader that leaves takes its asks along.
What was answered is kept, by value and up to so many bytes: the same ask again, after a reload or from
another reader, is answered at once.

**Photos** have an id, the hash of what the model is given, so that the same photo has the same one.
All asks about a photo name it: `"photo": id`. In a page's address the id can stand; after a reload
`{"ask": "photo", "photo": id}` gives all of it again, or the error `gone`.

Asks, their options (those with `?` may be missing) and replies. `told` means: as the report's script is
told of the same thing, field by field.

hello: nothing.
    `protocol` 1; `version`, kviz's; `models`: a list of
    `{"name", "file", "sha256", "parameters", "input_shapes", "size": [H, W] (null where any will do),
    "channels", "takes_photos", "outputs": [names], "classes": count, "class_names": list or null,
    "kind": of the head ("classes", "unit", "map", "image", "values"), "quantity": "probability" or
    "logit" …, "layers": [{"path", "kind", "family", "output_shape", "parameters", "weights": [names],
    "sources", "contains", "depth", "reached", "maps": whether `maps` answers, "kernels": whether
    `kernels` does, "patch": whether `patch` does, "field": told, "arithmetic"}],
    "graphs": [{"path", "width", "height", "nodes": [{"path", "x", "y", "family"}], "lines": [SVG
    path data]}], "box": [width, height] of a node, "methods": [{"name", "title", "kind", "slow",
    "options": {name: default}}], "first_method": name}`; `cmaps`: {name: title}, arrays `cmap-NAME`
    uint8 (256, 3); `limits`: `{"message": bytes, "megapixels"}`; `photos`: [ids] of those that the
    command was given; `data`: whether `best_patches` answers; `asks`: {name: {"slow": bool}}.

photo: `name`?, one array of: `file` uint8 (n,), an image file's bytes; `pixels` uint8 (H, W, 3 or 4), as
    a canvas has them (what is transparent is laid over white); or `photo`, an id that the session keeps,
    to see it again or cut otherwise. `box`? [left, top, right, bottom] in the photo's own pixels,
    which is stretched to what the model takes where the shape differs; without it `fit`? "crop" (the
    default), "pad" or "stretch", as kviz.load_images has it. `transient`? true: of a stream, of which
    the latest counts; neither kept for long nor in the cache. `size`? [H, W] where the model takes any.
    `photo` id; `name`; `width`, `height` of what the model is given; `tiny`; `original`:
    {"width", "height"}; `box`; `predictions`: {"classes": [{"index", "name", "score", "is_probability"}
    best first], "quantity", "scores_are": …, "rival": …}; `answer`: the computed sentence and its
    fields, as facts()["images"][i]["answer"]; `notes`: [sentences]; `card`: HTML of the answer's card,
    or "". Arrays: `pixels` uint8 (height, width, 3), what the model is given, for people; `scores`
    float32 (classes,); `original` uint8 (h, w, 3), the photo, at most 640 pixels a side, not of a
    transient one.

maps: `photo`, `layer` path.
    told of the layer (`path`, `kind`, `height`, `width`, `channels`, `columns`, `factor`, `low`, `high`,
    `field`, …; what has an entry a photo there has one entry here), `empty` [channels], `bad`. Array
    `maps` uint8 (16 × channels + codes,): the same bytes as the report's blob, `mapsOf` reads them.

attribution: `photo`, `method`, `class_index`? a class or a list (default: the predicted one and the
    runner-up, as in the report), `options`? {name: value}, `seed`?.
    told of the map (`method`, `height`, `width`, `low`, `high`, `peak`, `classes`, `scores`, `layers`,
    `certificates`, `gaps`, `whole` true, `factor` 1, …), `notes`. Array `maps` float32 (classes, H, W).

kernels: `layer`.
    told (`filters`, `channels`, `kept`, `height`, `width`, `rgb`). Array `kernels` uint8 (n,), the same
    bytes as the report's blob.

weights: `photo`, `layer`, `class_index`? as attribution has it.
    `classes` [{"index", "name"}]. Array `weights` float32 (classes, channels): the mean over all places of
    d logit / d map, Grad-CAM's weight of each channel.

patch: `photo`, `layer`, `channel`, `row`, `column` of the layer's map.
    Of a convolution (Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D) the sum worked out: `sum` over
    patch × kernel, `bias`, `value` (their sum, before the activation), `activation` name, `output` what
    the model itself gives there; `kernel_size`, `input`: path of the layer whose map it reads or null,
    `top`, `left`: where the patch begins in the layer's input, below 0 in padding; `rows`, `columns`:
    [where each row and column of the patch stands in it]; `channels`: [those of the input that it
    reads]; `parts`: [[channel, its part of the sum]] largest first, at most 64; `field`: {"top", "left",
    "height", "width"} in the pixels that the model is given, or null. Of a pooling layer `value` and
    `output` alone. Arrays `patch` and `kernel` float32 (kernel height, kernel width, channels).

pattern: `layer`, `channel`, `seed`? 0, `steps`? 64, `size`? [H, W]. slow
    `label`, `arrived` (false: the filter is dead), `scores` [at each step], `notes`. Array `picture`
    uint8 (H, W, 3).

class_image: `class_index`, `seed`?, `steps`? 128, `size`?. slow
    as pattern.

fool: `photo`, `class_index` to be classified as, `epsilon`? the most that a pixel may change, of 255
    (default: the least change that does it), `steps`? 100, `seed`?. slow
    `arrived`, `max_change` of 255, `l2`, `before` and `after`: {"index", "name", "score"}, `label`,
    `photo`: id of the changed photo, which can be asked about as any other. Arrays `picture` uint8
    (H, W, 3), `change` float32 (H, W), signed, of largest size over the channels.

best_patches: `layer`, `channel`, `count`? 9; only where `hello` says `data`.
    `patches`: [{"value", "name", "row", "column", "height", "width"}] best first, arrays `patch-0` …
    uint8 (h, w, 3).

save: `as` "report" | "png" | "python", `photos`: [ids], of png `of`: an ask (`maps` with `channel`?,
    `attribution`, `pattern` …) whose picture it is; of the report `methods`?, `class_index`?, `layers`?,
    `quick`? true. slow
    `name` of a file, `type` of media, array `file` uint8 (n,). Nothing is written on the server.

cancel: `of` id. No queue: it is answered at once, and so is what it ends.
    `ended`: whether there was such an ask.
"""
