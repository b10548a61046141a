"""A running service, an origin of pictures and a real browser together: where browser tests happen.

Every page opened here is watched: at its end no script failed, nothing was refused by the
Content-Security-Policy and nothing was asked of anyone but the service.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests import command
from tests.acceptance.api_pictures import square
from tests.drawn import encoded, picture
from tests.origin import Origin
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, Page, StorageState

    from tests.serving import Service

# A failure that the page asked for is logged by the browser too; the test looks at the page.
ANSWERED = "Failed to load resource: the server responded with a status of"
TOKEN = re.compile(r'name="csrf_token" value="(\w+)"')
NARROW = {"width": 360, "height": 740}
SALMON = plain((250, 128, 114), 1, 1)


@dataclass(frozen=True)
class Site:
    """The service, its data's folder, who has signed in, and the URLs of some pictures."""

    service: Service
    folder: Path
    browser: Browser
    origin: Origin
    session: StorageState

    @contextlib.contextmanager
    def page(self, path: str | None = "/", *, signed_in: bool = True, **how: Any) -> Iterator[Page]:
        """A page of the service in a browser that knows nothing but, perhaps, the session."""
        state = self.session if signed_in else None
        context = self.browser.new_context(storage_state=state, base_url=self.service.url, **how)
        try:
            context.set_default_timeout(30_000)
            page = context.new_page()
            troubles = self._watch(page)
            if path is not None:
                page.goto(path)
            yield page
            assert troubles == []
        finally:
            context.close()

    def _watch(self, page: Page) -> list[str]:
        troubles: list[str] = []
        ours = (f"{self.service.url}/", "data:", f"blob:{self.service.url}/")

        def asked(url: str) -> None:
            if not url.startswith(ours):
                troubles.append(f"asked for {url}")

        def logged(text: str) -> None:
            if not text.startswith(ANSWERED):
                troubles.append(text)

        page.on("request", lambda request: asked(request.url))
        page.on("console", lambda message: logged(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        return troubles

    def keys(self, *arguments: str) -> str:
        """Run `pixmill keys` on the service's catalog; gives what it prints."""
        env = {"PIXMILL_DATA": str(self.folder / "data")}
        done = command.run("keys", *arguments, cwd=self.folder, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextlib.contextmanager
def site(browser: Browser, folder: Path, env: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Start all of it; the session is that of the first key."""
    with serving(folder, env=env) as service, Origin() as origin:
        origin.serve("/square.png", square())
        origin.serve("/salmon.png", SALMON)
        origin.serve("/photo.jpg", encoded(picture(300, 450), "JPEG"))
        origin.serve("/page.html", b"<!doctype html>\n<title>no picture</title>\n")
        yield Site(service, folder, browser, origin, _session(browser, service))


def _session(browser: Browser, service: Service) -> StorageState:
    with contextlib.closing(browser.new_context()) as context:
        door = f"{service.url}/sign-in"
        token = TOKEN.search(context.request.get(door).text())
        assert token
        form = {"csrf_token": token[1], "key": service.credential[1]}
        assert context.request.post(door, form=form, max_redirects=0).status == 303
        return context.storage_state()


def sign_in(page: Page, key: str) -> None:
    """Fill the form of the sign-in page and send it."""
    page.fill("#key", key)
    page.get_by_role("button", name="Sign in").click()


def look(page: Page, url: str) -> None:
    """Ask the console for the picture at a URL."""
    page.fill("#url", url)
    page.press("#url", "Enter")


def upload(page: Page, data: bytes, name: str = "picture.png") -> None:
    """Choose a file on the console."""
    page.set_input_files("#file", [{"name": name, "mimeType": "image/png", "buffer": data}])


def told(page: Page, text: str) -> None:
    """The console's sentence holds `text`."""
    expect(page.locator("#status")).to_contain_text(text)


def refused(page: Page, *texts: str) -> None:
    """The console shows a trouble that holds every text, and no answer."""
    for text in texts:
        expect(page.locator("#trouble")).to_contain_text(text)
    expect(page.locator("#answer")).to_be_hidden()
