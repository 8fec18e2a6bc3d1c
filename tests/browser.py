"""A Chromium that tests look at pages with, by its own protocol over a pipe."""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(__file__).parent / "vendored" / "axe.min.js"
#: So long it may say nothing.
_SECONDS = 60
_RUN_AXE = """axe.run(document, {resultTypes: ["violations"]}).then(found =>
    found.violations.flatMap(one => one.nodes.map(node => [one.id, one.help, node.html])))"""


class Browser:
    """One browser with one page; ``close`` ends it."""

    def __init__(self, profile):
        ours_in, its_out = os.pipe()
        its_in, ours_out = os.pipe()

        def place():  # it reads at 3 and writes at 4
            reads, writes = os.dup(its_in), os.dup(its_out)
            os.dup2(reads, 3)
            os.dup2(writes, 4)

        self._process = subprocess.Popen(
            [
                *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-background-networking", "--hide-scrollbars"),
                *("--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"),
            ],
            preexec_fn=place,  # noqa: PLW1509 - it only moves descriptors
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for one in (its_in, its_out):
            os.close(one)
        self._reads, self._writes = os.fdopen(ours_in, "rb", 0), os.fdopen(ours_out, "wb", 0)
        self._numbers = itertools.count(1)
        self._rest, self.events, self._session = b"", [], None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **parameters):
        """Ask the browser for something; return its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._writes.write(json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    def _next(self):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._reads], [], [], _SECONDS)
            assert ready, "the browser says nothing"
            part = self._reads.read(1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, url):
        """Open a page, and wait until it is loaded."""
        self.events.clear()
        self.ask("Page.navigate", url=url)
        self._wait()

    def follow(self, script):
        """Run a script that leads to another page, and wait until that is loaded."""
        self.events.clear()
        self.run(f"{script}; null")
        self._wait()

    def _wait(self):
        while not any(one.get("method") == "Page.loadEventFired" for one in self.events):
            self.events.append(self._next())

    def run(self, script, *, may_evaluate=True):
        """Run a script in the page; return its value, or that of its promise."""
        result = self.ask(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            allowUnsafeEvalBlockedByCSP=may_evaluate,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def words(self):
        """Return the text that the page shows."""
        return self.run("document.body ? document.body.innerText : ''")

    def show(self, *, width=1200, height=900, scheme="light", scripts=True):
        """Look at pages in a window of this size, in light or dark, with or without scripts."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", features=features)
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)

    def press(self, key, code=None):
        """Press a key."""
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        about = {"key": key, "code": code or key, "windowsVirtualKeyCode": codes[key]}
        text = {"text": "\r"} if key == "Enter" else {"text": key} if key == " " else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text):
        """Type a text where the focus is."""
        self.ask("Input.insertText", text=text)

    def violations(self):
        """Return what axe-core finds wrong with the page."""
        self.run(AXE.read_text("utf-8") + "; null")
        return self.run(_RUN_AXE)

    def picture(self, path):
        """Write the whole page as a picture."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def problems(self):
        """Return what the browser complained of since the page was opened."""
        self.run("null")
        entries = [one["params"] for one in self.events if one.get("method") == "Log.entryAdded"]
        return [f"{one['entry']['source']}: {one['entry']['text']}" for one in entries]

    def close(self):
        """End it."""
        with contextlib.suppress(AssertionError, OSError):
            self._session = None
            self.ask("Browser.close")
        self._process.wait(20)
        self._reads.close()
        self._writes.close()
