"""GET /: the page, and the files that it is made of."""

from __future__ import annotations

from asyncio import to_thread

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.app_state import service_of
from service.page.files import PageFile, page_files
from service.page.paths import FILES, PAGE

router = APIRouter(include_in_schema=False)

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_OF_PAGE = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


@router.get(PAGE)
async def page(request: Request) -> Response:
    """Gives the page."""
    files = await to_thread(page_files)
    content = files.index(asks_for_key=service_of(request.scope).settings.authentication)
    return Response(content, media_type="text/html", headers=_OF_PAGE)


@router.get(FILES)
async def file(request: Request, digest: str, name: str) -> Response:
    """Gives a file of the page, of these contents and no other."""
    files = await to_thread(page_files)
    found = files.files.get(name)
    if found is None or digest != files.digest:
        raise HTTPException(404)
    return await to_thread(_answer, found, "gzip" in request.headers.get("accept-encoding", ""))


def _answer(found: PageFile, may_compress: bool) -> Response:  # the first time takes a while
    headers = dict(_FOR_GOOD)
    if may_compress:
        headers["Content-Encoding"] = "gzip"
    content = found.compressed if may_compress else found.content
    return Response(content, media_type=found.media_type, headers=headers)
