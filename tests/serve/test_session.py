"""A session: what is kept, what passes, who is answered when, and what is never told."""

import json
import os
import threading

import keras
import numpy as np
import pytest
from serve_asker import Asker, held

import kviz
from kviz.serve.ask import ask_class, ask_names
from kviz.serve.index import index_page
from kviz.serve.photos import Photo
from kviz.serve.session import Session

pytestmark = pytest.mark.filterwarnings("ignore::kviz.KvizWarning")


@pytest.fixture
def counted(monkeypatch):
    """Count what an ask has computed."""
    counts = dict.fromkeys(ask_names(), 0)

    def count(name):
        kind = ask_class(name)
        real = kind.answer

        def answer(self, turn):
            counts[name] += 1
            return real(self, turn)

        monkeypatch.setattr(kind, "answer", answer)

    for name in counts:
        count(name)
    return counts


def test_what_was_computed_is_answered_again_after_a_reload(session, file, counted):
    first = Asker(session)
    photo = first.photo(file())
    before = [
        first("photo", photo=photo),
        first("maps", photo=photo, layer="conv"),
        first("attribution", photo=photo, method="saliency"),
    ]
    first.reader.leave()
    counts = dict(counted)
    second = Asker(session)
    with held(session):  # nothing has to be computed, nor to wait
        after = [
            second("photo", photo=photo),
            second("maps", photo=photo, layer="conv"),
            second("attribution", photo=photo, method="saliency"),
        ]
    assert counted == counts
    for one, two in zip(before, after, strict=True):
        assert {**one.head, "id": 0} == {**two.head, "id": 0}
        assert all(one.arrays[name] is two.arrays[name] for name in one.arrays)


def test_other_options_are_another_ask(ask, file, counted):
    photo = ask.photo(file())
    one = ask("attribution", photo=photo, method="saliency")
    two = ask("attribution", photo=photo, method="saliency", class_index=[0])
    assert counted["attribution"] == 2
    assert one.arrays["maps"].shape != two.arrays["maps"].shape


def test_what_is_kept_is_bounded_and_a_photo_that_is_gone_is_said_to_be(small, file, monkeypatch):
    monkeypatch.setattr("kviz.serve.session.KEPT_BYTES", 40_000)
    session = Session([small])
    try:
        ask = Asker(session)
        first = ask.photo(file(0))
        for seed in range(1, 16):
            photo = ask.photo(file(seed))
            ask("maps", photo=photo, layer="conv")
        for shelf in (session._photos, session._replies):
            assert shelf.size <= 40_000
        assert ask("maps", photo=first, layer="conv").head["code"] == "gone"
        assert "error" not in ask("maps", photo=photo, layer="conv").head
    finally:
        session.close()


def frame(seed):
    levels = np.random.default_rng(seed).integers(0, 256, (16, 12, 3), np.uint8)
    return {"pixels": levels}


def test_of_a_stream_the_latest_is_answered_and_nothing_of_it_is_kept(session):
    ask = Asker(session)
    ask("photo", frame(0), transient=True)
    replies, photos = len(session._replies), len(session._photos)
    with held(session):
        sent = [ask.send("photo", frame(seed), transient=True) for seed in range(1, 6)]
    answers = {}
    while len(answers) < len(sent):
        head = ask.next().head
        if "progress" not in head:
            answers[head["id"]] = head
    assert [answers[number].get("dropped", False) for number in sent] == [True] * 4 + [False]
    photo = answers[sent[-1]]["photo"]
    assert "error" not in ask("attribution", photo=photo, method="grad_cam", class_index=0).head
    assert (len(session._replies), len(session._photos)) == (replies, photos)


def test_a_slow_ask_lets_others_in_and_is_cancelled_in_between(session, file):
    ask, other = Asker(session), Asker(session)
    photo = ask.photo(file())
    number = ask.send("pattern", layer="conv", channel=0, steps=2000)
    while "progress" not in (seen := ask.next()).head:
        assert "error" not in seen.head
    assert "error" not in other("maps", photo=photo, layer="depth").head
    assert other("cancel", of=number).head["ended"] is False  # it is not theirs
    ask.send("cancel", of=number)
    heads = []
    while not any("cancelled" in head for head in heads):
        heads.append(ask.next().head)
    assert {"ended": True, "id": number + 1, "ask": "cancel", "model": 0} in heads
    assert {"cancelled": True, "id": number, "ask": "pattern", "model": 0} in heads


def test_who_leaves_is_computed_for_no_longer(session):
    ask = Asker(session)
    ask.send("pattern", layer="conv", channel=0, steps=2000)
    while "progress" not in ask.next().head:
        pass
    ask.reader.leave()
    while "progress" in (last := ask.next().head):
        pass
    assert last == {"cancelled": True, "id": 1, "ask": "pattern", "model": 0}


def test_too_much_that_waits_is_said(session):
    ask = Asker(session)
    with held(session):
        sent = [ask.send("hello") for _ in range(70)]
        answers = [ask.next().head for _ in range(6)]
    assert {answer["code"] for answer in answers} == {"busy"}
    assert len({answer["id"] for answer in answers} & set(sent)) == 6


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"id": "a", "ask": "hello"},
        {"id": True, "ask": "hello"},
        {"id": -1, "ask": "hello"},
        {"id": 10**400, "ask": "hello"},
        {"id": 1},
        {"id": 1, "ask": 3},
        {"id": 1, "ask": ["hello"]},
        {"id": 1, "ask": "__init__"},
        {"id": 1, "ask": "../session"},
        {"id": 1, "ask": "hello", "model": 1},
        {"id": 1, "ask": "hello", "model": "a"},
        {"id": 1, "ask": "hello", "model": -1},
        {"id": 1, "ask": "hello", "turn": 1},
        {"id": 1, "ask": "maps", "photo": {"a": 1}, "layer": "conv"},
        {"id": 1, "ask": "maps", "photo": "a", "layer": {"a": [1]}},
        {"id": 1, "ask": "cancel", "of": {"a": 1}},
    ],
)
def test_whatever_is_sent_is_answered_in_a_sentence(shared, head):
    ask, _ = shared
    ask.reader.ask(head, {})
    answer = ask.next().head
    assert answer.get("ended") is False or 0 < len(answer["error"]) <= 300
    assert answer.get("code") != "fault"
    json.dumps(answer)


def test_a_fault_is_no_ones_end(session, monkeypatch):
    def broken(*_):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(ask_class("hello"), "answer", broken)
    ask = Asker(session)
    head = ask("hello").head
    assert head["code"] == "fault"
    assert "secret" not in head["error"]
    monkeypatch.undo()
    assert "models" in ask("hello").head


def test_no_path_of_the_machine_is_told(tmp_path, file, small):
    """Wherever one could come from: a file's name, an error, a note, what made a result."""
    folder = tmp_path / "private folder & <ü>"
    folder.mkdir()
    small.model.save(folder / "model.keras")
    network = kviz.load_model(folder / "model.keras", class_names=["a", "b", "c"])
    network.notes = (f"read from {folder}/model.keras", *network.notes)
    session = Session([network], private=[tmp_path])
    try:
        ask = Asker(session)
        page = session.call(lambda: index_page(session)).result()
        assert "model.keras" in page
        assert "private folder" not in page
        photo = ask.photo(file(), name=f"{folder}/cat.png")
        asks = [
            ("hello", {}),
            ("photo", {"photo": photo}),
            ("maps", {"photo": photo, "layer": "conv"}),
            ("maps", {"photo": photo, "layer": f"{folder}/conv"}),
            ("attribution", {"photo": photo, "method": "saliency"}),
            ("save", {"as": "python", "photos": [photo]}),
        ]
        for name, options in asks:
            answer = ask(name, **options)
            told = json.dumps(answer.head, default=str)
            assert "private folder" not in told, (name, told)
            if "file" in answer.arrays:
                assert b"private folder" not in answer.arrays["file"].tobytes(), options
        assert "private folder" not in session.failed(kviz.OutputError(f"{folder}/x"))["error"]
    finally:
        session.close()


@pytest.mark.slow
def test_no_path_of_the_machine_is_in_a_report_that_is_saved(tmp_path, file, small):
    (folder := tmp_path / "private folder").mkdir()
    small.model.save(folder / "model.keras")
    session = Session([kviz.load_model(folder / "model.keras")], private=[tmp_path])
    try:
        ask = Asker(session)
        photo = ask.photo(file(), name="cat.png")
        saved = ask("save", **{"as": "report"}, photos=[photo]).arrays["file"].tobytes()
    finally:
        session.close()
    assert b"cat.png" in saved
    assert b"private folder" not in saved


def test_two_models_are_asked_about_one_photo(small, file):
    import keras
    from keras import layers

    other = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )
    session = Session([small, kviz.Network(other)])
    try:
        ask = Asker(session)
        photo = ask.photo(file())
        one, two = (ask("photo", photo=photo, model=place) for place in (0, 1))
        assert one.arrays["pixels"].shape == (16, 12, 3)
        assert two.arrays["pixels"].shape == (8, 8, 3)
        assert two.arrays["scores"].shape == (2,)
        assert (one.head["model"], two.head["model"]) == (0, 1)
        assert one.head["photo"] == two.head["photo"]
        assert len(ask("hello").head["models"]) == 2
    finally:
        session.close()


def test_a_subclassed_model_tells_its_layers_after_its_first_photo(file):
    import keras
    from keras import layers

    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(2, 3, name="conv")
            self.top = layers.Dense(2, activation="softmax")

        def call(self, x):
            return self.top(keras.ops.mean(self.conv(x), (1, 2)))

    session = Session([kviz.Network(Mine())])
    try:
        ask = Asker(session)
        assert ask("hello").head["models"][0]["layers"] == []
        answer = ask("photo", {"file": file()})
        assert answer.head["height"], answer.head == 30
        layers_told = ask("hello").head["models"][0]["layers"]
        assert "conv" in [layer["path"].rpartition("/")[2] for layer in layers_told]
        maps = ask("maps", photo=answer.head["photo"], layer=layers_told[0]["path"])
        assert maps.head["channels"] == 2, maps.head
    finally:
        session.close()


def test_a_model_of_two_inputs_has_a_page_that_takes_no_photo(file):
    layers = keras.layers
    inputs = keras.Input((8, 8, 3)), keras.Input((6, 6, 1))
    pooled = [layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(one)) for one in inputs]
    outputs = layers.Dense(2, activation="softmax")(layers.Concatenate()(pooled))
    session = Session([kviz.Network(keras.Model(inputs, outputs))])
    ask = Asker(session)
    assert "<main" in session.call(lambda: index_page(session)).result()
    (told,) = ask("hello").head["models"]
    assert (told["takes_photos"], told["kind"], len(told["layers"])) == (False, "classes", 8)
    assert "models that take one" in ask("photo", {"file": file()}).head["error"]
    session.close()


def test_scores_that_are_not_finite_are_said_in_words(file):
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )
    model.set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    session = Session([kviz.Network(model)])
    answer = Asker(session)("photo", {"file": file()})
    assert answer.head["predictions"]["classes"][0]["score"] is None
    card = answer.arrays["card"].tobytes().decode()
    assert "not finite" in card
    assert "nan" not in card
    session.close()


@pytest.mark.slow
def test_a_thousand_asks_leave_memory_flat(session, file):
    """Frames of a stream, photos and all that is asked about them; once the shelves are full."""
    from kviz import _process

    ask = Asker(session)
    ask("photo", {"file": file()})

    def some(first, count):
        for seed in range(first, first + count):
            photo = ask("photo", frame(seed), transient=bool(seed % 2)).head["photo"]
            ask("maps", photo=photo, layer="conv")
            ask("attribution", photo=photo, method="grad_cam")
            ask("patch", photo=photo, layer="conv", channel=0, row=0, column=0)
        return _process.in_use(os.getpid())

    for shelf in (session._replies, session._photos, session.sides[0]._kept, session._passing):
        shelf.most = 2_000_000
    session.sides[0]._passing.most = 2_000_000
    before = some(0, 150)
    after = some(150, 250)
    assert after - before < 10_000_000


def test_a_model_without_layers_that_are_drawn_is_warmed_and_answers():
    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [
            keras.Input((6, 6, 6, 1)),
            keras.layers.Conv3D(2, 3, name="conv"),
            keras.layers.GlobalAveragePooling3D(),
            keras.layers.Dense(3),
        ]
    )
    photo = Photo(name="volume.npy", array=np.ones((1, 6, 6, 6, 1), np.float32))
    session = Session([kviz.Network(net)], [photo])
    try:
        session.sides[0].warm(photo)
        told = Asker(session)("weights", photo=photo.id, layer="conv").head
        assert told["error"] == "Layer 'conv' has no channels that are shown."
    finally:
        session.close()


def test_what_fails_before_anybody_asks_leaves_somebody_to_answer(small, monkeypatch):
    session = Session([small])
    begun = threading.Event()

    def warm(_side, _photo):
        begun.set()
        raise RuntimeError("out of luck")

    monkeypatch.setattr("kviz.serve.side.Side.warm", warm)
    try:
        session.warm()
        assert begun.wait(30)
        assert "protocol" in Asker(session)("hello").head
    finally:
        session.close()
