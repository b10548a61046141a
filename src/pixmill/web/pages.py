"""The HTML pages: templates, and assets whose URL changes with their content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from pixmill import __version__

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_HERE = Path(__file__).parent
STATIC_FOLDER = _HERE / "static"


def wants_page(request: Request) -> bool:
    """Tell whether a browser asks that is to show what comes, not a program or a script."""
    return "text/html" in request.headers.get("accept", "")


def by_accept(answer: Response) -> Response:
    """Tell caches that programs are answered otherwise than browsers, and give the answer."""
    answer.headers["Vary"] = "Accept"
    return answer


class Assets(StaticFiles):
    """The assets, asked for anew each time: modules name each other without a version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Answer with a file, or with 304 where the browser has it."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


class Pages:
    """Renders pages; made once. The page of the cluster is offered where there may be one."""

    def __init__(self, *, has_cluster: bool = False) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        files = sorted(path for path in STATIC_FOLDER.rglob("*") if path.is_file())
        whole = hashlib.sha256()
        for path in files:
            whole.update(path.read_bytes())
        # One version for all, since scripts name each other without one.
        self._version = whole.hexdigest()[:12]
        self._templates.globals["static"] = self._static
        self._templates.globals["version"] = __version__
        self._templates.globals["has_cluster"] = has_cluster

    def _static(self, name: str) -> str:
        return f"/static/{name}?v={self._version}"

    def render(self, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        """Answer with a page."""
        text = self._templates.get_template(template).render(**values)
        return HTMLResponse(text, status_code)
