"""The service's pages: they work without scripts, show hostile text as text, and take no orders."""

import re
import threading
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from letters import ADA, BOB, ORG, lead
from served import until

import lifecycle.service.pages
from lifecycle import LeadStore
from lifecycle.auditing.page import policy as policy_of_page

IN_A_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium; CI installs one")
CSS = Path(lifecycle.service.pages.__file__).with_name("style.css").read_text("utf-8")
HOSTILE = (
    "</title></textarea></style><script>document.title = 'ran'; fetch('LEAK')</script>"
    "<img src='LEAK' onerror=\"document.title = 'ran'\"><a href='javascript:x()'>\" x='"
    "{{ 7 * 7 }} {% raw %} ../../etc/passwd?a=b#c \u202etxt.exe \x1b[31m"
)
FROM_THE_WEB = {"leadSource": "Web Site"}
PAGES = ("/ui/leads", "/ui/audit", "/ui/quarantine", "/ui/quarantine/1", "/ui/login")


class Page(HTMLParser):
    """The parts that a page is made of."""

    def __init__(self, answer):
        super().__init__()
        self.html = answer.text
        self.tags, self.attributes, self.text, self.links, self.fields = [], [], [], [], {}
        self.feed(answer.text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = dict(attrs)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "a":
            self.links.append(named["href"])
        if tag in {"input", "textarea", "select", "button"} and "name" in named:
            self.fields[named["name"]] = named.get("value", "")

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def show(served, path, status=200, **asked):
    answer = served.client.get(path, params=asked or None)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    (nonce,) = re.findall("script-src 'nonce-([\\w-]{22})'; connect-src 'self'$", policy)
    assert answer.text.count("<script") == 1
    assert f'<script src="/ui/htmx.js" nonce="{nonce}" defer></script>' in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    return Page(answer)


def send(served, path, status=200, **fields):
    """Send a form as a browser does that was shown the page of this path."""
    token = {"token": show(served, path).fields["token"]}
    answer = served.client.post(path, data=token | fields)
    assert answer.status_code == status, answer.text
    return answer


def leads_of(page):
    return [link for link in page.links if link.startswith("/ui/leads/")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def served(serve, path):
    with LeadStore(path) as store:
        contact = {"type": "Contact", "name": "Joe Smith", "email": "joe@example.com"}
        store.apply_many(
            [
                lead("add", "10:00", snapshot={"owner": ORG, "object": contact} | FROM_THE_WEB),
                lead("accept", "10:03", agent=ADA),
                lead("reject", "10:04", agent=BOB, reason="no time"),
                lead("change", "10:05"),
                *(lead("add", "11:00", keys=str(number)) for number in range(2, 70)),
            ]
        )
        store.apply(lead("assign", "10:02", agent=ORG, recipient=ADA))
        broken = lead("add", "10:00", keys="99", id="urn:broken") | {"time": "03/01/2026"}
        store.apply(broken)
        store.apply(b"\xff{ no text")
    return serve(path)


def test_leads_are_searched_filtered_and_turned_over(served):
    first = show(served, "/ui/leads")
    assert first.words.count("crmleadid:") == 50
    assert "sent 68" in first.words
    assert "accepted 1" in first.words
    following = next(link for link in first.links if "after=" in link)
    second = show(served, following)
    assert second.words.count("crmleadid:") == 19
    assert not any("after=" in link for link in second.links)
    form = {"q": "", "state": "accepted", "holder": "", "owner": "", "since": "", "order": "newest"}
    found = show(served, "/ui/leads", **form)
    assert [link for link in found.links if "crmleadid" in link] == ["/ui/leads/crmleadid%3A1"]
    assert "<option selected>accepted" in found.html
    by_origin = ({"source": "web site"}, {"system": "crm"})
    for asked in ({"q": "JOE SMITH"}, {"holder": ADA}, {"owner": ORG}, *by_origin):
        assert show(served, "/ui/leads", **asked).words.count("crmleadid:") == 1
    assert "No lead is as you ask." in show(served, "/ui/leads", q="nobody").words
    oldest = leads_of(show(served, "/ui/leads", order="oldest"))
    assert oldest == [*leads_of(first), *leads_of(second)][::-1][:50]
    assert "A parameter cannot be understood" in show(served, "/ui/leads", 400, since="x").words


def test_a_lead_is_shown_with_its_timeline_on_both_axes_of_time(served):
    shown = show(served, "/ui/leads/crmleadid%3A1")
    assert "accepted since 2026-03-01 10:03:00 UTC" in shown.words
    assert "reject refused , stays accepted" in shown.words
    assert "Superseded" not in shown.words
    assert "error : invalid transition" in shown.words
    everything = show(served, "/ui/leads/crmleadid%3A1", all="true", as_of="", as_known_at="")
    assert everything.words.count("Superseded : known from") == 1
    before = show(served, "/ui/leads/crmleadid%3A1", as_of="2026-03-01T10:01:00Z")
    assert "sent since 2026-03-01 10:00:00 UTC" in before.words
    assert "accept" not in before.words
    known = re.search(r"known from (\S+) (\S+) until", everything.words)
    moment = f"{known[1]}T{known[2]}Z"
    assert "assigned" not in show(served, "/ui/leads/crmleadid%3A1", as_known_at=moment).words
    assert "No lead has this name" in show(served, "/ui/leads/nobody:1", 404).words


def test_a_lead_is_explained(served):
    shown = show(served, "/ui/explain/crmleadid%3A1")
    assert "Why crmleadid:1 is accepted" in shown.words
    assert "What was refused" in shown.words
    assert "What came late, and what it changed" in shown.words
    assert "assign of 2026-03-01 10:02:00" in shown.words
    assert "What may happen next" in shown.words


def test_the_audit_is_shown_as_it_is_now(served):
    shown = show(served, "/ui/audit")
    assert "69 leads, judged by the rules default" in shown.words
    assert "refused 1" in shown.words
    assert "/ui/leads/crmleadid%3A1" in shown.links
    served.post("/inbox/", lead("accept", "12:00", keys="1", agent=ADA))
    assert "refused 2" in show(served, "/ui/audit").words
    whole = served.client.get("/ui/audit/page")
    assert whole.status_code == 200
    assert "<h1>Audit of 69 leads</h1>" in whole.text
    policy = whole.headers["content-security-policy"]
    assert policy.startswith(f"{policy_of_page()}; frame-ancestors")
    assert "unsafe" not in policy
    assert 'href="/ui/leads/crmleadid%3A1"' in whole.text


def test_an_empty_store_has_pages_too(serve):
    served = serve()
    assert "No lead is as you ask." in show(served, "/ui/leads").words
    assert "Nothing has happened yet." in show(served, "/ui/audit").words
    assert "There is nothing." in show(served, "/ui/quarantine").words
    answer = served.client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/leads")


def test_a_message_is_validated_before_it_is_applied(served):
    assert "expected a time" in show(served, "/ui/quarantine").words
    path = "/ui/quarantine/1"
    shown = show(served, path)
    assert "expected a time such as 2026-03-01T10:00:00Z" in shown.words
    text = "".join(shown.text)
    assert '"03/01/2026"' in text
    raw = served.get("/quarantine/1")["raw"]
    mended = raw.replace("03/01/2026", "2026-03-01T10:00:00Z")
    assert "It cannot be applied." in Page(send(served, path, action="validate", text=raw)).words
    broken = Page(send(served, path, action="retry", text=raw[:-1]))
    assert "not valid JSON" in broken.words
    assert "It cannot be applied." in broken.words
    kept = Page(send(served, path, action="retry", text=raw.replace("\n", "\r\n")))
    assert "It cannot be applied." in kept.words
    valid = Page(send(served, path, action="validate", text=mended))
    assert "Nothing: it can be applied." in valid.words
    assert "2026-03-01T10:00:00Z" in "".join(valid.text)
    assert served.client.get("/leads/crmleadid:99").status_code == 404
    other = mended.replace("urn:broken", "urn:other")
    refused = Page(send(served, path, action="retry", text=other))
    assert "has the event id 'urn:broken'" in refused.words
    applied = Page(send(served, path, action="retry", text=mended))
    assert "Message 1 was applied" in applied.words
    assert served.get("/leads/crmleadid:99")["state"] == "sent"


def test_a_message_is_dismissed_and_brought_back(served):
    path = "/ui/quarantine/2"
    assert "\\xff{ no text" in "".join(show(served, path).text)
    answer = send(served, path, 303, action="dismiss", text="")
    assert answer.headers["location"] == "/ui/quarantine"
    assert "dismissed" in show(served, "/ui/quarantine", left="true").words
    assert "Bring it back" in show(served, path).words
    send(served, path, 303, action="restore", text="")
    assert len(served.get("/quarantine")["quarantine"]) == 2
    assert "The body cannot be understood" in Page(send(served, path, 400, action="x")).words
    assert "There is no such message" in show(served, "/ui/quarantine/77", 404).words


def test_forms_are_taken_from_our_own_pages_alone(served):
    path = "/ui/quarantine/2"
    fields = {"action": "dismiss", "text": ""}
    token = show(served, path).fields["token"]
    post = served.client.post

    def refused(answer, status=403):
        assert answer.status_code == status, answer.text
        return True

    assert refused(post(path, data=fields))
    assert refused(post(path, data=fields | {"token": "0" * 64}))
    assert refused(post(path, data=fields | {"token": "é"}))
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert refused(post(path, data=fields | {"token": token}, headers=headers))
    # Another browser, which knows the token but has not our cookie.
    served.client.cookies.clear()
    assert refused(post(path, data=fields | {"token": token}))
    assert refused(
        post(path, content=b"action=dismiss", headers={"content-type": "text/plain"}), 415
    )
    assert len(served.get("/quarantine")["quarantine"]) == 2
    answer = served.client.get(path)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/ui" in cookie
    assert "secure" not in cookie


@pytest.fixture
def guarded(serve, path, tmp_path, lifecycle):
    """Return a service that asks for keys, with one to read and one to write."""
    keys = tmp_path / "keys.toml"

    def make(name, *scopes):
        options = [part for scope in scopes for part in ("--scope", scope)]
        return lifecycle("serve", "keys", "add", keys, name, *options).stdout.strip()

    made = {"reader": make("reader", "read"), "writer": make("writer", "read", "write")}
    with LeadStore(path) as store:
        store.apply(b"{broken")
    served = serve(path, keys=str(keys), url="https://leads.example.com/")
    served.secrets = made
    served.key_file = keys
    served.client.headers["host"] = f"127.0.0.1:{served.port}"
    return served


def log_in(served, secret, following="/ui/leads"):
    """Log in; cookies are kept by hand, since they are for https alone."""
    served.client.headers.pop("cookie", None)
    answer = served.client.get("/ui/login", params={"next": following})
    cookie = answer.headers["set-cookie"]
    assert "; Secure" in cookie
    served.client.headers["cookie"] = cookie.partition(";")[0]
    fields = Page(answer).fields
    answer = served.client.post("/ui/login", data=fields | {"key": secret})
    if answer.status_code == 303:
        served.client.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]
    return answer


def test_a_key_is_given_once_and_counts_for_its_scopes(guarded, lifecycle):
    get = guarded.client.get
    answer = get("/ui/leads?state=sent")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ui/login?next=%2Fui%2Fleads%3Fstate%3Dsent"
    assert guarded.client.post("/ui/quarantine/1", data={}).status_code == 401
    assert "This key is not known." in log_in(guarded, "lck_wrong").text
    answer = log_in(guarded, guarded.secrets["reader"], "/ui/leads?state=sent")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/leads?state=sent")
    assert get("/ui/leads").status_code == 200
    page = get("/ui/quarantine/1")
    fields = {"token": Page(page).fields["token"], "action": "dismiss"}
    assert guarded.client.post("/ui/quarantine/1", data=fields).status_code == 403
    # A browser's cookie is no key of the API.
    assert get("/leads").status_code == 401
    log_in(guarded, guarded.secrets["writer"])
    fields["token"] = Page(get("/ui/quarantine/1")).fields["token"]
    assert guarded.client.post("/ui/quarantine/1", data=fields).status_code == 303
    lifecycle("serve", "keys", "revoke", guarded.key_file, "writer")
    assert get("/ui/leads").status_code == 303


def test_a_part_of_a_page_is_no_place_to_ask_for_a_key(guarded):
    answer = guarded.client.get("/ui/leads?q=x", headers={"hx-request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/ui/login?next=%2Fui%2Fleads%3Fq%3Dx"


def test_a_form_is_from_here_by_the_name_that_a_proxy_gives_it(guarded):
    log_in(guarded, guarded.secrets["writer"])
    fields = {"token": Page(guarded.client.get("/ui/quarantine/1")).fields["token"]}
    for origin, status in (
        ("https://leads.example.com", 303),
        ("https://leads.example.com.evil.example", 403),
        ("https://[", 403),
        ("https://", 403),
    ):
        headers = {"origin": origin}
        action = fields | {"action": "dismiss"}
        answer = guarded.client.post("/ui/quarantine/1", data=action, headers=headers)
        assert answer.status_code == status, origin


def test_a_key_is_forgotten_and_a_cookie_from_elsewhere_is_none(guarded):
    log_in(guarded, guarded.secrets["reader"])
    page = Page(guarded.client.get("/ui/leads"))
    answer = guarded.client.post("/ui/logout", data={"token": page.fields["token"]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/login")
    assert guarded.client.get("/ui/leads").status_code == 303
    for cookie in ("lifecycle-session=x", "lifecycle-session=", "lifecycle-session=" + "x" * 5000):
        answer = guarded.client.get("/ui/leads", headers={"cookie": cookie})
        assert answer.status_code == 303


@pytest.mark.parametrize(
    "following",
    ["https://evil.example", "//evil.example", "/\\evil", "/ui/\\..", "/ui/é", "javascript:x", ""],
)
def test_after_a_key_nobody_is_led_elsewhere(guarded, following):
    answer = log_in(guarded, guarded.secrets["reader"], following)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/leads")


# --- text from messages ---------------------------------------------------------------------------


class Leak(ThreadingHTTPServer):
    """A server that only a page that runs or loads something would ask."""

    def __init__(self):
        self.asked = asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/x.png"


@contextmanager
def leak():
    with Leak() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def hostile_store(path, text):
    names, parties = {"x": text}, {"owner": text, "sender": {"name": text}}
    with LeadStore(path) as store:
        store.apply_many(
            [
                lead("add", "10:00", keys=names, snapshot=parties, agent=text, id=text),
                lead("reject", "10:01", keys=names, agent=text, reason=text),
                lead("accept", "10:03", keys=names, agent=text),
                lead("assign", "10:04", keys=names, agent=text, recipient=text),
            ]
        )
        store.apply(lead("assign", "10:00", keys=names, agent=text, recipient=text))
        store.apply({"topic": text, "data": {"x": text}} | {"time": text})
        store.apply(lead("add", "10:00", keys=names, id=text) | {"time": text})
        return next(store.leads()).lead_id


def test_text_from_messages_is_on_every_page_as_text(serve, path):
    hostile_store(path, HOSTILE)
    served = serve(path)
    links = [link for link in show(served, "/ui/leads").links if "/ui/leads/" in link]
    explain = [link.replace("/ui/leads/", "/ui/explain/") for link in links]
    for url in (*links, f"{links[0]}?all=true", *explain, *PAGES):
        page = show(served, url)
        assert not {"img", "iframe", "object", "embed", "base", "style"} & {*page.tags}
        for tag, name, value in page.attributes:
            assert not name.startswith(("on", "hx-on", "data-hx"))
            assert name not in {"srcset", "style", "formaction", "hx-vals", "hx-vars"}
            assert name != "src" or value == "/ui/htmx.js"
            assert name != "hx-get" or value.startswith(("/ui/leads", "/ui/audit?known="))
            assert name != "href" or value.startswith(("/", "#")), value
            assert name != "action" or value.startswith("/ui/"), value
            assert tag != "link" or name != "href" or value in {"/ui/style.css", "/ui/icon.svg"}
        assert "\x1b" not in page.html
        outside = re.sub(r"<textarea.*?</textarea>", "", page.html, flags=re.DOTALL)
        assert "\u202e" not in outside
        assert "7 * 7" in page.html or url in {"/ui/audit", "/ui/quarantine", "/ui/login"}
    answer = served.client.get("/ui/leads", params={"q": HOSTILE[:190], "holder": HOSTILE})
    assert "img" not in Page(answer).tags
    assert Page(answer).tags.count("script") == 1
    # A filter is a value, not a statement.
    for text in ("'; DROP TABLE lead; --", '" OR 1=1', "\x00", "x' UNION SELECT 1"):
        for name in ("q", "holder", "owner"):
            found = show(served, "/ui/leads", **{name: text})
            assert "No lead is as you ask." in found.words
            assert served.get("/leads", **{name: text})["leads"] == []
    served.terminate()
    with LeadStore(path) as store:
        assert store.verify().defects == ()


@IN_A_BROWSER
def test_in_a_browser_no_script_from_a_message_runs_and_nothing_is_loaded(
    serve, path, tmp_path, browser
):
    with leak() as server:
        text = HOSTILE.replace("LEAK", server.url)
        hostile_store(path, text)
        served = serve(path)
        link = next(one for one in show(served, "/ui/leads").links if "/ui/leads/" in one)
        explain = link.replace("leads", "explain")
        browser.show()
        for url in ("/ui/leads", link, explain, "/ui/quarantine/1", "/ui/audit"):
            browser.open(f"{served.url}{url}")
            assert browser.run("document.title") != "ran"
            assert browser.run("document.querySelector('main').id") == "content"
            assert browser.run("typeof htmx") == "object"
            assert browser.problems() == []
        # htmx is told to evaluate nothing, and the policy would not let it.
        for script in ("eval('1')", "new Function('return 1')()"):
            tried = f"try {{ {script} }} catch (error) {{ error.name }}"
            assert browser.run(tried, may_evaluate=False) == "EvalError"
        assert server.asked == []
        # The same text, not made inert, does both: the test would see it.
        control = tmp_path / "control.html"
        control.write_text(f"<!doctype html><title>control</title><p>{text}", "utf-8")
        browser.open(f"file://{control}")
        assert browser.run("document.title") == "ran"
        until(lambda: server.asked)


# --- everybody can read it ------------------------------------------------------------------------


def test_pages_have_headings_labels_and_headers(served):
    for url in (*PAGES, "/ui/leads/crmleadid%3A1?all=1", "/ui/explain/crmleadid%3A1"):
        page = show(served, url)
        assert ("html", "lang", "en") in page.attributes
        headings = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
        assert headings[0] == 1
        assert headings.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(headings))
        assert (
            page.tags.count("table") == page.html.count("<thead>") == page.html.count("<caption>")
        )
        assert page.tags.count("th") == page.html.count("<th scope=")
        ids = [value for _, name, value in page.attributes if name == "id"]
        assert len(ids) == len(set(ids))
        assert page.links[0] == "#content"
        inputs = re.findall(r"<(?:input|select|textarea)[^>]*>", page.html)
        shown = [one for one in inputs if 'type="hidden"' not in one]
        assert page.tags.count("label") == len(shown)


LEAD, EXPLAIN = "/ui/leads/crmleadid%3A1?all=1", "/ui/explain/crmleadid%3A1"
EVERY_PAGE = (
    *(*PAGES, LEAD, EXPLAIN, "/ui/leads?q=nobody", "/ui/leads?since=x", "/ui/leads/nobody%3A1"),
    *("/ui/quarantine?left=true", "/ui/quarantine/2", "/ui/audit?still=true", "/ui/audit/page"),
)


@IN_A_BROWSER
@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        pytest.param("light", 1200, id="light-wide"),
        pytest.param("dark", 1200, id="dark-wide"),
        pytest.param("light", 360, id="light-narrow"),
        # Colours do not depend on the width, nor room on the colours.
        pytest.param("dark", 360, id="dark-narrow", marks=pytest.mark.long),
    ],
)
def test_axe_finds_nothing_on_any_page(served, browser, scheme, width):
    found = {}
    served.client.get("/ui/leads")
    send(served, "/ui/quarantine/2", 303, action="dismiss", text="")
    browser.show(width=width, scheme=scheme)
    for path in EVERY_PAGE:
        browser.open(served.url + path)
        found[path] = browser.violations()
        # A table may be wider than the window, the page may not.
        assert browser.run("document.documentElement.scrollWidth") <= width, path
    assert found == {path: [] for path in EVERY_PAGE}
    browser.open(served.url + "/ui/quarantine/1")
    browser.follow("document.querySelector('[value=validate]').click()")
    assert "What is wrong with what you wrote" in browser.words()
    assert browser.violations() == []


@IN_A_BROWSER
def test_axe_would_see_what_is_wrong(served, browser):
    browser.show()
    browser.open(served.url + "/ui/leads")
    browser.run("document.querySelector('[name=holder]').parentNode.replaceWith('?')")
    browser.run("document.querySelector('h1').style.color = '#ddd'")
    browser.run("document.documentElement.removeAttribute('lang')")
    assert {"color-contrast", "html-has-lang"} <= {one[0] for one in browser.violations()}


def focus(browser):
    return browser.run(
        "(one => one.name || one.textContent.trim() || one.getAttribute('aria-label'))"
        "(document.activeElement)"
    )


@IN_A_BROWSER
def test_a_keyboard_reaches_everything_and_does_what_a_mouse_does(served, browser):
    browser.show(scripts=False)
    browser.open(served.url + "/ui/leads")
    reached = []
    for _ in range(14):
        browser.press("Tab")
        reached.append(focus(browser))
    assert reached[:4] == ["Skip to the content", "Leads", "Audit", "Quarantine"]
    assert reached[4:6] == ["sent 68", "accepted 1"]
    fields = ["q", "state", "holder", "owner", "source", "system", "since", "order"]
    assert reached[6:14] == fields
    browser.run("document.querySelector('[name=q]').focus()")
    browser.type("crmleadid:42")
    browser.press("Enter")
    until(lambda: browser.run("location.search").startswith("?q=crmleadid%3A42"))
    assert browser.run("document.querySelectorAll('tbody tr').length") == 1


@IN_A_BROWSER
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_browser_gives_a_key_mends_a_message_and_forgets_the_key(
    serve, path, tmp_path, lifecycle, browser, scripts
):
    keys = tmp_path / "keys.toml"
    made = lifecycle("serve", "keys", "add", keys, "ann", "--scope", "read", "--scope", "write")
    with LeadStore(path) as store:
        store.apply(lead("add", "10:00", keys="99") | {"time": "03/01/2026"})
    served = serve(path, keys=str(keys))
    browser.show(scripts=scripts)
    browser.open(served.url + "/ui/quarantine/1")
    assert browser.run("location.pathname") == "/ui/login"
    assert not scripts or browser.violations() == []
    browser.run("document.querySelector('[name=key]').focus()")
    browser.type(made.stdout.strip())
    browser.follow("document.querySelector('button.first').click()")
    assert browser.run("location.pathname") == "/ui/quarantine/1"
    browser.run(
        "(one => { one.value = one.value.replace('03/01/2026', '2026-03-01T10:00:00Z') })"
        "(document.querySelector('textarea'))"
    )
    browser.follow("document.querySelector('[value=validate]').click()")
    assert "Nothing: it can be applied." in browser.words()
    browser.follow("document.querySelector('[value=retry]').click()")
    assert "Message 1 was applied" in browser.words()
    assert not scripts or browser.violations() == []
    browser.follow("document.querySelector('header button').click()")
    browser.open(served.url + "/ui/leads")
    assert browser.run("location.pathname") == "/ui/login"


@IN_A_BROWSER
def test_leads_are_found_while_somebody_types(served, browser):
    browser.show()
    browser.open(served.url + "/ui/leads")
    browser.run("document.querySelector('[name=q]').focus(); window.same = true")
    browser.type("crmleadid:42")
    until(lambda: browser.run("document.querySelectorAll('tbody tr').length") == 1)
    assert browser.run("document.querySelector('#count').textContent") == "1 lead on this page"
    assert browser.run("location.search").startswith("?q=crmleadid%3A42")
    assert (browser.run("window.same"), focus(browser)) == (True, "q")
    browser.run("document.querySelector('[name=since]').value = 'x'")
    browser.run("document.querySelector('form').requestSubmit()")
    until(lambda: "cannot be understood" in browser.words())


@IN_A_BROWSER
def test_the_audit_is_renewed_when_something_changes(served, browser):
    page = show(served, "/ui/audit")
    (polled,) = [value for _, name, value in page.attributes if name == "hx-get"]
    answer = served.client.get(polled)
    assert (answer.status_code, answer.content) == (204, b"")
    served.post("/inbox/", lead("add", "12:00", keys="700"))
    assert served.client.get(polled).status_code == 200
    still = show(served, "/ui/audit", still="true")
    assert not any(name.startswith("hx-") for _, name, _ in still.attributes)
    # In a browser, and not so patiently.
    template = "lifecycle/service/pages/templates/audit.jinja"
    assert 'hx-trigger="every 10s"' in Path(__file__).parents[1].joinpath(template).read_text()
    browser.show()
    browser.open(served.url + "/ui/audit")
    browser.run(
        "(one => { one.setAttribute('hx-trigger', 'every 100ms'); htmx.process(one) })"
        "(document.querySelector('#figures'))"
    )
    assert "70 leads" in browser.run("document.querySelector('#figures').innerText")
    served.post("/inbox/", lead("add", "12:00", keys="701"))
    until(lambda: "71 leads" in browser.run("document.querySelector('#figures').innerText"))


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
    dark = dark.split("* {")[0]
    found = colours(light) | (colours(dark) if scheme == "dark" else {})
    states = ("new", "sent", "received", "assigned", "accepted", "rejected", "retracted")
    texts = [(ink, paper) for ink in ("ink", "soft", *states) for paper in ("paper", "panel")]
    texts += [(ink, "paper") for ink in ("accent", "bad", "good")] + [("on-accent", "accent")]
    poor = {
        (ink, paper): round(contrast(found[ink], found[paper]), 2)
        for ink, paper in texts
        if contrast(found[ink], found[paper]) < 4.5
    }
    assert poor == {}
    assert "url(" not in CSS
    assert "@import" not in CSS
