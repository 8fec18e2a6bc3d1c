"""The audit's page: it opens offline, runs nothing, and can be read by everybody."""

import hashlib
import re
import shutil
import socket
import subprocess
import threading
from base64 import b64encode
from collections.abc import Mapping
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from attrs import evolve
from letters import ADA, BOB, lead

from lifecycle import Rules, audit
from lifecycle.auditing.figures import PAGE_BY
from lifecycle.auditing.page import STEPS, render
from lifecycle.auditing.page import policy as policy_of_page
from lifecycle.auditing.page.diagram import draw_states
from lifecycle.domain import STATES

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# What the browser itself asks for at every start, whatever it shows.
CHROMIUMS_OWN = re.compile(r"\b(google|googleapis|gstatic|gvt1)\.com\b")
EVE = "https://eve.example.com/profile/card#me"
LEAK = "http://leak.example/x.png"
HOSTILE = (
    f"</style></svg><script>document.title = 'ran'; fetch('{LEAK}')</script>"
    f"<img src='{LEAK}' onerror=\"document.title = 'ran'\"><a href='javascript:x()'>"
    f"{{{{ 7 * 7 }}}} \u202etxt.exe \x1b[31m"
)
CSS = Path(render.__code__.co_filename).with_name("audit.css").read_text()


@pytest.fixture
def hostile(write_log):
    """Return the page of messages whose every text wants to do something."""
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
        audit(
            write_log(messages),
            rules=rules,
            against=rules,
            overdue=["assigned>PT1S"],
            by=PAGE_BY,
        ),
        10,
        name=HOSTILE,
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
    assert not {"img", "iframe", "object", "embed", "link", "base", "form"} & {*page.tags}
    assert page.tags.count("script") == page.tags.count("style") == 1
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in {"src", "xlink:href", "srcset", "action"}
        assert name != "href" or value.startswith("#")
        assert "url(" not in value or re.fullmatch(r"url\(#head-[1-5]\)", value)
    assert "url(" not in CSS
    assert "@import" not in CSS
    policy = next(one[2] for one in page.attributes if one[2].startswith("default-src"))
    assert policy == policy_of_page()
    # The one script and the one style are ours: the policy names their digests.
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", hostile, re.DOTALL)
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


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
    assert file.read_text() == render(audit(log, by=PAGE_BY), 10, name="log.jsonl")
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


# --- what is most wrong, and drawings -------------------------------------------------------------


def texts_of(page):
    return " ".join(" ".join(Page(page).text).split())


def test_the_page_begins_with_its_store_its_period_and_what_is_most_wrong(write_log):
    messages = [lead("add", "10:00", keys=str(key), recipient=ADA) for key in (1, 2, 3)]
    messages += [lead("accept", "10:05", agent=ADA), lead("accept", "10:06")]
    page = render(audit(write_log(messages), overdue=["sent>3 min"]), 10, name="leads.db")
    words = texts_of(page)
    assert "Audit of leads.db : 3 leads 2026-03-01 10:00:00 to 2026-03-01 10:06:00 UTC" in words
    refused = words.index("1 message refused, in 1 lead most often accept when accepted (1)")
    late = words.index("2 leads overdue the longest sent for 6 min, with ada.example.com")
    lost = words.index("2 leads sent and never accepted 66.67% of 3")
    assert refused < late < lost < words.index("How long after they were sent")


def test_who_is_far_slower_than_the_others_is_named(write_log):
    messages = []
    for key in range(1, 41):
        who = BOB if key > 30 else ADA if key % 3 else EVE
        named = {"id": who, "name": "Bob Bee" if who == BOB else "Somebody"}
        minute = 9 if who == BOB else 1
        messages.append(lead("assign", "10:00", keys=str(key), recipient=named))
        messages.append(lead("accept", f"10:0{minute}", keys=str(key), agent=who))
    words = texts_of(render(audit(write_log(messages), by=PAGE_BY), 10))
    assert "Bob Bee takes 9 min to accept half of 10 leads; others 1 min" in words


def test_a_page_links_leads_to_where_they_are_shown(write_log):
    log = write_log([lead("accept", "10:00"), lead("accept", "10:01")])
    page = Page(render(audit(log), 10, leads="/ui/leads/"))
    links = {value for _, name, value in page.attributes if name == "href"}
    assert "/ui/leads/crmleadid%3A1" in links
    assert not [one for one in links if not one.startswith(("#", "/ui/leads/"))]


class Steps(Mapping):
    """Every step between any two states, each so often."""

    def __init__(self, count):
        self._count = count

    def __getitem__(self, step):
        return self._count

    def __iter__(self):
        return ((one, "assign", two) for one in STATES for two in STATES if two != "new")

    def __len__(self):
        return len(list(iter(self)))


@pytest.mark.parametrize("count", [7, 12_345, 1_234_567])
def test_no_label_of_the_states_covers_another_or_a_state(count, write_log):
    found = evolve(audit(write_log([lead("add", "10:00")])), steps=Steps(count))
    drawing = draw_states(found)
    number, sides = r'="(-?[\d.]+)"', ("x", "y", "width", "height")
    boxes = [
        tuple(float(re.search(rf"\b{name}{number}", rect)[1]) for name in sides)
        for rect in re.findall(r"<rect [^>]*>", drawing)
    ]
    labels = len(re.findall('class="label"', drawing))
    assert len(boxes) == labels + len(STATES)
    # Of some forty edges between seven states most can be told; the table has all.
    assert labels > 24
    for one, other in combinations(boxes, 2):
        assert (
            one[0] + one[2] <= other[0]
            or other[0] + other[2] <= one[0]
            or one[1] + one[3] <= other[1]
            or other[1] + other[3] <= one[1]
        ), (one, other)
    assert f"mag-{min(5, len(str(count)))}" in drawing


# --- everybody can read it ------------------------------------------------------------------------


def test_tables_have_headers_and_drawings_have_words(hostile):
    page = Page(hostile)
    assert page.tags.count("table") == hostile.count("<thead>") == hostile.count("<caption>")
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
    assert "1 lead</title>" in elements
    assert "<title>ran</title>" not in elements
    # Our own script runs: headers of tables are buttons.
    assert '<button type="button">' in elements
    assert asked == []
    # The same texts, not made inert, do both: the test would see it.
    elements, asked = opened(f"<!doctype html><title>control</title><p>{HOSTILE}")
    assert "<title>ran</title>" in elements
    assert any(LEAK in one for one in asked)
