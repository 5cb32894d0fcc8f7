"""The head of a request, checked before any of it is used: what two servers might read differently is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

import httptools

from service.errors import AmbiguousLength, HeadTooLarge, InvalidHost, InvalidHttp, InvalidTarget, TargetTooLong

MAX_TARGET_BYTES = 8 << 10
MAX_HEAD_BYTES = 32 << 10
MAX_HEADERS = 100

Headers = Sequence[tuple[bytes, bytes]]

# A registered name or an address in brackets, and a port. Anything else could move where the path begins.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_ABOUT_LENGTH = (b"Content-Length", b"Transfer-Encoding")


def check_head(version: str, target: bytes, headers: Headers) -> tuple[bytes, bytes]:
    """Gives path and query of a request whose header names are in lower case; raises what is wrong with its head."""
    if version not in ("1.1", "1.0"):
        raise InvalidHttp("only HTTP/1.1 and HTTP/1.0 are spoken here")
    _check_size(target, headers)
    hosts = [value for name, value in headers if name == b"host"]
    _check_encoding(version, [value for name, value in headers if name == b"transfer-encoding"])
    _check_host(version, hosts)
    return _path_and_query(target, hosts)


def check_target(target: bytes) -> None:
    """Raises TargetTooLong; a target that is still arriving may be given."""
    if len(target) > MAX_TARGET_BYTES:
        raise TargetTooLong(f"path and query have more than {MAX_TARGET_BYTES} bytes")


def unreadable(error: httptools.HttpParserError) -> InvalidHttp | AmbiguousLength:
    """Gives what to answer to bytes that the parser refuses."""
    reason = str(error)
    if all(name.decode() in reason for name in _ABOUT_LENGTH):
        return AmbiguousLength("both Content-Length and Transfer-Encoding are given: send one of them")
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return InvalidHttp("no method of HTTP is named so")
    return InvalidHttp("this is no HTTP request that can be read in one way only")


def _check_size(target: bytes, headers: Headers) -> None:
    if len(headers) > MAX_HEADERS:
        raise HeadTooLarge(f"the request has {len(headers)} headers, at most {MAX_HEADERS} are allowed")
    num_bytes = len(target) + sum([len(name) + len(value) for name, value in headers])
    if num_bytes > MAX_HEAD_BYTES:
        raise HeadTooLarge(f"the headers have {num_bytes} bytes, at most {MAX_HEAD_BYTES} are allowed")


def _check_encoding(version: str, encodings: list[bytes]) -> None:
    if encodings and (version == "1.0" or [value.lower() for value in encodings] != [b"chunked"]):
        raise InvalidHttp("chunked is the one Transfer-Encoding that is known, in HTTP/1.1")


def _check_host(version: str, hosts: list[bytes]) -> None:
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise InvalidHost(f"the request has {len(hosts)} Host headers, exactly one is needed")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise InvalidHost("the Host header is no name of a host")


def _path_and_query(target: bytes, hosts: list[bytes]) -> tuple[bytes, bytes]:
    if not target.startswith(b"/"):
        return _of_absolute(target, hosts)
    return _split(target)


def _of_absolute(target: bytes, hosts: list[bytes]) -> tuple[bytes, bytes]:
    """Gives path and query of 'http://host/path?query', which must name the host that the Host header names."""
    scheme, separator, rest = target.partition(b"://")
    authority = re.split(rb"[/?#]", rest, maxsplit=1)[0]
    if not separator or scheme.lower() not in (b"http", b"https") or authority.lower() != b"".join(hosts).lower():
        raise InvalidTarget("the request is for no path of this server")
    path, query = _split(rest[len(authority) :])
    return path or b"/", query


def _split(target: bytes) -> tuple[bytes, bytes]:
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path, query
