"""The audit's page: it opens offline, runs nothing, and can be read by everybody."""

import re
import shutil
import socket
import subprocess
import threading
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from letters import ADA, lead

from lifecycle import Rules, audit
from lifecycle.auditing.page import STEPS, render

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# What the browser itself asks for at every start, whatever it shows.
CHROMIUMS_OWN = re.compile(r"\b(google|googleapis|gstatic|gvt1)\.com\b")
LEAK = "http://leak.example/x.png"
HOSTILE = (
    f"</style></svg><script>document.title = 'ran'; fetch('{LEAK}')</script>"
    f"<img src='{LEAK}' onerror=\"document.title = 'ran'\"><a href='javascript:x()'>"
    f"{{{{ 7 * 7 }}}} \u202etxt.exe \x1b[31m"
)
CSS = Path(render.__code__.co_filename).with_name("audit.css").read_text()


@pytest.fixture
def hostile(write_log):
    """The page of messages whose every text wants to do something."""
    names = {"x": HOSTILE}
    parties = {"owner": HOSTILE, "sender": {"name": HOSTILE}}
    messages = [
        lead("add", "10:00", keys=names, snapshot=parties, agent=HOSTILE),
        lead("reject", "10:01", keys=names, agent=HOSTILE, reason=HOSTILE),
        lead("accept", "10:02", keys=names, agent=HOSTILE, id=HOSTILE),
        lead("assign", "10:03", keys=names, agent=HOSTILE, recipient=HOSTILE),
        lead("accept", "10:04", keys=names, agent=HOSTILE),
        {"topic": f"website#{HOSTILE}", "data": {}},
    ]
    rules = Rules(HOSTILE, Rules.default().edges)
    return render(
        audit(write_log(messages), rules=rules, against=rules, overdue=["assigned>PT1S"]), 10
    )


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text.append(data)


def test_nothing_on_the_page_is_loaded_and_nothing_runs(hostile):
    page = Page(hostile)
    assert not {"script", "img", "iframe", "object", "embed", "link", "base", "form"} & {*page.tags}
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in {"src", "xlink:href", "srcset", "action"}
        assert name != "href" or value.startswith("#")
        assert "url(" not in value or value == "url(#head)"
    assert "url(" not in CSS
    assert "@import" not in CSS
    policy = next(one[2] for one in page.attributes if one[2].startswith("default-src"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_text_from_messages_is_on_the_page_as_text(hostile):
    text = " ".join(Page(hostile).text)
    assert "<script>document.title = 'ran'; fetch('" in text
    assert "{{ 7 * 7 }}" in text
    assert "\\u202etxt.exe \\x1b[31m" in text
    assert not {"\u202e", "\x1b"} & {*hostile}


def test_the_same_messages_give_the_same_page(write_log):
    messages = [lead("add", "10:00"), lead("reject", "10:01"), lead("accept", "10:02")]
    page = render(audit(write_log(messages)), 10)
    assert page == render(audit(write_log([*messages[::-1], messages[0]], "other.jsonl")), 10)


def test_the_page_is_written_whole_and_a_file_that_is_there_is_replaced(
    write_log, tmp_path, lifecycle
):
    file = tmp_path / "audit.html"
    file.write_text("<!doctype html>what was there before")
    log = write_log([lead("add", "10:00")])
    assert lifecycle("audit", log, "--html", file).exit_code == 0
    assert file.read_text() == render(audit(log), 10)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["audit.html", "log.jsonl"]


def test_a_page_of_nothing_and_one_without_refusals_say_so(write_log):
    for messages in ([], [lead("add", "10:00")]):
        text = " ".join(Page(render(audit(write_log(messages)), 10)).text)
        assert "Nothing was refused." in text
        assert "There is nothing to repair." in text
        assert "No lead has a refusal." in text


def test_a_long_story_is_cut_and_says_so(write_log):
    accepts = [lead("accept", f"10:{number:02}", agent=ADA) for number in range(STEPS + 5)]
    text = " ".join(Page(render(audit(write_log(accepts)), 10)).text)
    assert text.count("✗ accept") == STEPS
    assert "and 5 steps more" in text
    assert f"{STEPS + 3}" in text


# --- everybody can read it ------------------------------------------------------------------------


def test_tables_have_headers_and_drawings_have_words(hostile):
    page = Page(hostile)
    assert page.tags.count("table") == hostile.count("<thead>")
    scopes = {(tag, name, value) for tag, name, value in page.attributes if name == "scope"}
    assert scopes == {("th", "scope", "col"), ("th", "scope", "row")}
    assert page.tags.count("th") == hostile.count("<th scope=")
    assert hostile.count('role="img"') == hostile.count("<svg") == hostile.count("<title>") - 1 > 0
    assert "send from new to sent: 1" in hostile
    assert ("html", "lang", "en") in page.attributes
    headings = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, name, value in page.attributes if name == "href"}
    assert targets <= set(ids)


def colours(css):
    return dict(re.findall(r"--([\w-]+): (#\w{6});", css))


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2.2, success criterion 1.4.3."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(scheme):
    light, dark = CSS.split("@media (prefers-color-scheme: dark)")[:2]
    found = colours(light) | (colours(dark) if scheme == "dark" else {})
    dark_shades = "dark-text" if scheme == "dark" else "light-text"
    texts = [(ink, paper) for ink in ("ink", "soft") for paper in ("paper", "panel")]
    texts += [(ink, "paper") for ink in ("accent", "bad", "good")]
    texts += [("ink", f"shade-{shade}") for shade in (1, 2, 3)]
    texts += [(dark_shades, f"shade-{shade}") for shade in (4, 5)]
    poor = {
        (ink, paper): round(contrast(found[ink], found[paper]), 2)
        for ink, paper in texts
        if contrast(found[ink], found[paper]) < 4.5
    }
    assert poor == {}
    states = ("new", "sent", "received", "assigned", "accepted", "rejected", "retracted")
    assert all(contrast(found[state], found["paper"]) >= 3 for state in states)


# --- in a browser ---------------------------------------------------------------------------------


class Watched:
    """A proxy that notes what is asked of it, and answers nothing."""

    def __init__(self):
        self.asked = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(500).split(b"\r\n")[0].decode())

    def close(self):
        self._socket.close()


@pytest.fixture
def opened(tmp_path):
    """Open a page in Chromium: its elements afterwards, and what it asks the network for."""

    def open_page(text):
        file = tmp_path / "page.html"
        file.write_text(text, "utf-8")
        proxy = Watched()
        done = subprocess.run(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--disable-default-apps", "--disable-extensions",
                f"--user-data-dir={tmp_path / 'profile'}", f"--proxy-server=127.0.0.1:{proxy.port}",
                "--proxy-bypass-list=<-loopback>", "--virtual-time-budget=3000", "--dump-dom",
                f"file://{file}",
            ],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
        )  # fmt: skip
        proxy.close()
        return done.stdout, [one for one in proxy.asked if not CHROMIUMS_OWN.search(one)]

    return open_page


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; CI installs one")
def test_in_a_browser_no_request_leaves_and_no_script_from_a_message_runs(hostile, opened):
    elements, asked = opened(hostile)
    assert "<title>Audit of 1 lead</title>" in elements
    assert asked == []
    # The same texts, not made inert, do both: the test would see it.
    elements, asked = opened(f"<!doctype html><title>control</title><p>{HOSTILE}")
    assert "<title>ran</title>" in elements
    assert any(LEAK in one for one in asked)
