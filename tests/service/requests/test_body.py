"""What headers say of a body has to be said once."""

from __future__ import annotations

import gzip

import pytest
from starlette.datastructures import Headers

from service.errors import UnsupportedMediaType
from service.requests.body import checked_media_type, forecast_request
from service.settings import Settings
from tests.service.bad_requests import BODY


def headers_of(*pairs: tuple[bytes, bytes]) -> Headers:
    return Headers(raw=list(pairs))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ((b"content-type", b"text/plain"), "send application/json in UTF-8"),
        ((b"content-encoding", b"zstd"), "one at a time"),
        ((b"content-encoding", b"gzip"), "one at a time"),
    ],
)
def test_a_header_that_is_there_twice_is_refused(second: tuple[bytes, bytes], said: str) -> None:
    headers = headers_of((b"content-type", b"application/json"), (b"content-encoding", b"gzip"), second)
    with pytest.raises(UnsupportedMediaType, match=said):
        checked_media_type(headers)


def test_an_encoding_in_capitals_is_known() -> None:
    headers = headers_of((b"content-type", b"application/json"), (b"content-encoding", b"GZIP"))
    checked_media_type(headers)
    assert forecast_request(headers, gzip.compress(BODY), Settings(authentication=False)).model == "waves"
