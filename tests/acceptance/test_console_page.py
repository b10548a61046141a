"""The console in a real browser, before a server that answers as no healthy one does.

The pages and scripts are the product's own, under its own Content-Security-Policy; the answers are
scripted by a word in the URL of the picture: busy, slow, not JSON, hostile. That the real service
and the console understand each other is tested elsewhere.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from pixmill.web.headers import CONTENT_SECURITY_POLICY
from pixmill.web.pages import STATIC_FOLDER, Pages
from tests.pictures import png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PIXEL = base64.b64encode(png(random.Random(0))).decode()
METRICS = [{"name": "srgb", "default_tolerance": 0.2}, {"name": "lab", "default_tolerance": 10}]
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
TOKEN = "token-of-the-session"


def answer(palette: str) -> dict:
    """What the service says of a gray picture."""
    near = {"name": "gray", "hex": "#808080", "id": "P-7", "synonyms": ["grey"], "distance": 0.01}
    color = {"hex": "#828282", "share": 0.5}
    return {
        "image": {
            "width": 1, "height": 1, "format": "png", "bytes": 70, "md5": "0" * 32,
            "preview": f"data:image/png;base64,{PIXEL}",
        },
        "top": {"colors": [{"hex": "#123456", "count": 7, "share": 0.25}], "pixels": 28},
        "dominant": {"colors": [color, {"hex": "#FFFFFF", "share": 0.5}]},
        "match": {
            "found": True, "color": color, "palette": palette, "metric": "srgb",
            "max_distance": 0.2, "nearest": near, "margin": None, "runner_up": None,
        },
    }  # fmt: skip


def hostile(palette: str) -> dict:
    """Names that would be markup, colors that would be requests, a preview from elsewhere."""
    said = answer(palette)
    said["image"]["preview"] = "https://elsewhere.example/x.png"
    said["top"]["colors"][0]["hex"] = "url(https://elsewhere.example/y)"
    said["match"]["nearest"]["name"] = "<img src=x onerror=document.title='taken'>"
    return said


class Answers(BaseHTTPRequestHandler):
    """Pages, assets, and whatever the word in the URL asks for."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/":
            page = Pages().render(
                "console.html", csrf_token=TOKEN, key_name="key", scopes={"match"}, metrics=METRICS,
                palettes=["css", "shop"],
            )  # fmt: skip
            self.say(200, bytes(page.body), "text/html")
        elif url.path.startswith("/static/"):
            file = STATIC_FOLDER / url.path.removeprefix("/static/")
            self.say(200, file.read_bytes(), TYPES[file.suffix])
        elif url.path == "/console/look":
            self.look(urlsplit(query["url"]).path, query["palette"])
        else:
            self.say_json(404, {"errors": ["Not here."], "code": "not_found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        allowed = self.headers["X-CSRF-Token"] == TOKEN and b'name="image"' in body
        self.say_json(200 if allowed else 403, answer("css") if allowed else {"errors": ["No."]})

    def look(self, word: str, palette: str) -> None:
        failure = {"errors": ["Too many requests.", "<b>bold</b>"], "code": "too_many_requests"}
        if word == "/busy":
            self.say_json(429, failure, {"Retry-After": "1"})
        elif word == "/signed-out":
            self.say_json(401, {"errors": ["Signed out."], "code": "unauthorized"})
        elif word == "/html":
            self.say(502, b"<h1>Bad gateway</h1>", "text/html")
        elif word == "/clear":
            self.say_json(200, answer(palette) | {"match": None})
        elif word == "/odd":
            self.say_json(200, {"image": {}, "top": 3, "match": {}})
        elif word == "/hostile":
            self.say_json(200, hostile(palette))
        else:
            if word == "/slow" and palette == "css":
                time.sleep(1.5)
            self.say_json(200, answer(palette))

    def say_json(self, status: int, told: dict, more: dict[str, str] | None = None) -> None:
        self.say(status, json.dumps(told).encode(), "application/json", more)

    def say(self, status: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the page asked something newer meanwhile

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The console; at the end nothing was violated, thrown, or asked of anyone else."""
    troubles: list[str] = []
    context = browser.new_context()
    opened = context.new_page()
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on("request", lambda request: troubles.append(request.url))
    opened.goto(address)
    yield opened
    context.close()
    ours = (
        f"{address}/",
        "data:image/png;base64,",
        "Failed to load resource: the server responded",
    )
    assert [trouble for trouble in troubles if not trouble.startswith(ours)] == []


def look(page: Page, word: str) -> None:
    page.fill("#url", f"https://pictures.example/{word}")
    page.press("#url", "Enter")


def test_a_busy_service_says_when_to_try_again_and_then_lets_one(page):
    look(page, "busy")
    button = page.get_by_role("button", name="Try again")
    expect(button).to_be_disabled()
    expect(page.locator("#trouble")).to_contain_text("Try again in 1 s.")
    expect(page.locator("#trouble")).to_contain_text("<b>bold</b>")
    expect(button).to_be_enabled()


def test_who_is_signed_out_is_led_to_the_door(page):
    look(page, "signed-out")
    link = page.locator("#trouble").get_by_role("link", name="Sign in")
    assert link.get_attribute("href") == "/sign-in?next=%2F"


@pytest.mark.parametrize("word", ["html", "odd"])
def test_an_answer_that_is_none_is_said_to_be_none(page, word):
    look(page, word)
    expect(page.locator("#trouble")).to_contain_text("does not understand")
    expect(page.locator("#answer")).to_be_hidden()


def test_a_picture_without_a_visible_pixel_has_no_colors(page):
    look(page, "clear")
    expect(page.locator("#status")).to_contain_text("Every pixel is transparent")
    expect(page.locator("#exact")).to_be_hidden()


def test_what_comes_from_outside_is_text_and_never_a_style_or_an_address(page):
    look(page, "hostile")
    expect(page.locator("#status")).to_contain_text("<img src=x")
    assert page.title() == "Console · pixmill"
    assert page.locator("#exact li").count() == 0
    expect(page.locator("#preview")).to_be_hidden()


def test_the_answer_to_an_older_question_is_dropped(page):
    look(page, "slow")
    expect(page.locator("#status")).to_have_text("Looking…")
    page.select_option("#palette", "shop")
    expect(page.locator("#ledger")).to_contain_text("shop")
    page.wait_for_timeout(2000)  # past the moment at which the older answer would have come
    expect(page.locator("#ledger")).to_contain_text("shop")


def test_numbers_that_make_no_sense_are_not_asked_with(page):
    look(page, "fine")
    expect(page.locator("#status")).to_contain_text("gray")
    page.fill("#n", "0")
    expect(page.locator("#trouble")).to_contain_text("whole number from 1 to 24")
    assert page.get_attribute("#n", "aria-invalid") == "true"
    page.fill("#n", "3")
    expect(page.locator("#status")).to_contain_text("gray")


def test_a_tolerance_is_forgotten_with_its_metric(page):
    page.fill("#max_distance", "0.1")
    page.get_by_role("radio", name="Lab").check(force=True)
    assert page.input_value("#max_distance") == ""
    assert page.get_attribute("#max_distance", "placeholder") == "10"


def test_a_file_is_sent_with_the_token_and_a_swatch_is_copied(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"x"})
    page.get_by_role("button", name="#123456, 25% of the picture, 7 px, copy").click()
    expect(page.locator("#copied")).to_have_text("#123456 copied")
    assert page.evaluate("navigator.clipboard.readText()") == "#123456"


def test_a_narrow_screen_needs_no_scrolling_aside(page):
    page.set_viewport_size({"width": 360, "height": 800})
    look(page, "fine")
    expect(page.locator("#status")).to_contain_text("gray")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
