"""A Firefox for the tests, driven over WebDriver BiDi: Playwright drives only one of its own."""

import json
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from needed import lacking, need_package

# The levels of what a page, or the browser because of its policy, complains of.
WRONG = ("error", "warn")


class Firefox:
    """A window of a Firefox with a profile of its own.

    Args:
        folder: an empty one, for its profile and for what it saves.
    """

    def __init__(self, folder):
        need_package("websockets", "serve")
        from websockets.sync.client import connect

        program = shutil.which("firefox-esr") or shutil.which("firefox")
        if program is None:
            lacking("no Firefox is installed: apt-get install firefox-esr")
        log = folder / "log.txt"
        command = [program, "--headless", "--profile", folder, "--remote-debugging-port", "0"]
        with log.open("w") as told:
            self.process = subprocess.Popen(command, stdout=told, stderr=told)
        self.held = ExitStack()
        self.held.callback(self._end)
        try:
            way = connect(f"{self._address(log)}/session", max_size=None, compression=None)
            self.socket = self.held.enter_context(way)
            self.count, self.wrong, self.saved = 0, [], []
            self("session.new", capabilities={})
            self("session.subscribe", events=["log.entryAdded", "browsingContext.downloadEnd"])
            kept = {"type": "allowed", "destinationFolder": str(folder)}
            self("browser.setDownloadBehavior", downloadBehavior=kept)
            self.tab = self("browsingContext.create", type="tab")["context"]
        except BaseException:
            self.close()
            raise

    def _address(self, log):
        for _ in range(600):
            found = re.search(r"BiDi listening on (ws://\S+)", log.read_text())
            if found:
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        return lacking(f"Firefox does not start here: {log.read_text()[-300:]}")

    def __call__(self, method, **params):
        """Ask for something and return what comes back; what the page logs meanwhile is kept."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
        while True:
            told = json.loads(self.socket.recv(timeout=60))
            if told.get("method") == "log.entryAdded" and told["params"]["level"] in WRONG:
                self.wrong.append(told["params"]["text"])
            elif told.get("method") == "browsingContext.downloadEnd":
                self.saved.append(Path(told["params"]["filepath"]))
            elif told.get("id") == self.count:
                assert told["type"] == "success", f"{method}: {told}"
                return told["result"]

    def close(self):
        self.held.close()

    def _end(self):
        self.process.kill()
        self.process.wait()

    def resize(self, width, height=900):
        viewport = {"width": width, "height": height}
        self("browsingContext.setViewport", context=self.tab, viewport=viewport)

    def goto(self, url):
        self("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    def reload(self):
        self("browsingContext.reload", context=self.tab, wait="complete")

    def step(self, by):
        self("browsingContext.traverseHistory", context=self.tab, delta=by)

    def run(self, script):
        """Return what an expression is, through JSON; a promise is waited for."""
        found = self(
            "script.evaluate", expression=f"(async () => JSON.stringify(await ({script})))()",
            target={"context": self.tab}, awaitPromise=True, userActivation=True,
        )  # fmt: skip
        assert found["type"] == "success", found["exceptionDetails"]["text"]
        return json.loads(found["result"].get("value", "null"))

    def load(self, path):
        """Run a file of script, which no policy of the page refuses."""
        text = path.read_text(encoding="utf-8")
        target = {"context": self.tab}
        self("script.evaluate", expression=text, target=target, awaitPromise=False)

    def wait(self, script, seconds=60):
        """Wait until an expression is true."""
        for _ in range(20 * seconds):
            if self.run(f"Boolean({script})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"In {seconds} s it did not come to be: {script}")

    def _found(self, selector):
        return f"document.querySelector({json.dumps(selector)})"

    def text(self, selector):
        return self.run(f"{self._found(selector)}.innerText")

    def click(self, selector, x=0, y=0):
        """Click an element, so far from its middle."""
        self.drag(selector, (x, y))

    def drag(self, selector, *places):
        """Press at a place, from the middle of an element, move to the others, and let go."""
        middle = self.run(
            f"""((element) => {{
            element.scrollIntoView({{ block: 'center', behavior: 'instant' }});
            const {{ x, y, width, height }} = element.getBoundingClientRect();
            return [Math.round(x + width / 2), Math.round(y + height / 2)];
            }})({self._found(selector)})"""
        )
        moves = [{"type": "pointerMove", "x": middle[0] + x, "y": middle[1] + y} for x, y in places]
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._act({"type": "pointer", "id": "mouse", "actions": [moves[0], down, *moves[1:], up]})

    def press(self, *keys):
        both = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": both})

    def _act(self, source):
        self("input.performActions", context=self.tab, actions=[source])

    def choose(self, selector, value):
        """Give a select or a slider a value, as a reader's choice does."""
        self.run(
            f"""((field) => {{
            field.value = {json.dumps(str(value))};
            field.dispatchEvent(new Event('input', {{ bubbles: true }}));
            field.dispatchEvent(new Event('change', {{ bubbles: true }}));
            }})({self._found(selector)})"""
        )

    def give_files(self, selector, *paths):
        locator = {"type": "css", "value": selector}
        (found,) = self("browsingContext.locateNodes", context=self.tab, locator=locator)["nodes"]
        element = {"sharedId": found["sharedId"]}
        self("input.setFiles", context=self.tab, element=element, files=[str(p) for p in paths])

    def save(self, selector):
        """Click what saves a file, and return its text."""
        self.saved.clear()
        self.click(selector)
        for _ in range(1200):
            if self.saved:
                return self.saved[0].read_text(encoding="utf-8")
            self.run("null")
            time.sleep(0.05)
        raise AssertionError(f"{selector}: nothing was saved")
