"""Files from the network: what broke off goes on, web pages are refused, only what was checked takes its place."""

import hashlib
import html
import http.client
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from wplus.core.errors import DownloadError, OutputError
from wplus.core.files import replacing, write_text

Watch = Callable[[int, int | None], None]
"""Is told the bytes that are here and the bytes of the whole file, None where the server does not say."""

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as silent."""

BLOCK = 1 << 18
PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!doctype html|<html|<head|<\?xml|<!--)", re.IGNORECASE)
TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Remote:
    """A file elsewhere.

    Args:
        url: where it lies.
        sha256: its sum in hexadecimal digits; None: not known, recorded when it is first fetched.
        size: its bytes; None: not known.
    """

    url: str
    sha256: str | None = None
    size: int | None = None


def download(remote: Remote, target: Path, *, watch: Watch, timeout: float = TIMEOUT) -> None:
    """Fetch a file to `target`; what was there stays until the new file is whole and its sum is right.

    What has arrived lies in `target`.part, and the next call goes on behind it (HTTP Range) if the server allows it
    and still has the same file. A sum that nobody knew is recorded in `target`.json, and holds from then on.

    Raises:
        DownloadError: no connection, broken off, a web page instead of the file, or another size or sum.
        OutputError: the file cannot be written, or the disk is full.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _receive(remote, part, watch, timeout)
        _accept(remote, part, target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def record_of(target: Path) -> Path:
    """Where the sum of a file lies that was not known before it was first fetched."""
    return target.with_name(target.name + ".json")


def recorded_sum(target: Path) -> str | None:
    """The sum that was recorded when `target` was first fetched; None if there is no record, or no readable one."""
    try:
        return str(json.loads(record_of(target).read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record_sum(target: Path, sha256: str) -> None:
    """Record the sum of a file of which none was known: it holds from then on.

    Raises:
        OutputError: the record cannot be written.
    """
    write_text(record_of(target), json.dumps({"file": target.name, "sha256": sha256}) + "\n")


def megabytes(size: int) -> str:
    """A number of bytes for people, as "6.4 MB"."""
    return f"{size / 1e6:.1f} MB"


def is_offline() -> bool:
    """Whether the environment forbids downloads: WPLUS_OFFLINE is set, and not to 0, false or no."""
    return os.environ.get("WPLUS_OFFLINE", "").lower() not in {"", "0", "false", "no"}


def _receive(remote: Remote, part: Path, watch: Watch, timeout: float) -> None:
    """Fill `part` up to the whole file."""
    tag = part.with_name(part.name + ".tag")  # tells the server which version of the file the part belongs to
    start = part.stat().st_size if part.exists() and (tag.exists() or remote.sha256) else 0
    with _open(remote, part, start, timeout) as response:
        first = _read(response, remote.url, start, None)
        if response.status != 206:
            start = 0
            if PAGE.match(first):
                raise DownloadError(f"{remote.url}: the server sent a web page, not the file{_title(first)}")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else remote.size
        if remote.size is not None and total != remote.size:
            part.unlink(missing_ok=True)
            raise DownloadError(f"{remote.url}: the server offers {total:,} bytes, expected {remote.size:,}")
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - start > free:
            needs = f"{megabytes(total - start)} are needed, {megabytes(free)} are free"
            raise OutputError(f"cannot write {part}: the disk is full: {needs}")
        if not start:
            part.unlink(missing_ok=True)
            tag.unlink(missing_ok=True)
        if version := _version(response):
            write_text(tag, version)
        done, block = start, first
        with part.open("ab" if start else "wb") as file:
            while block:
                file.write(block)
                done += len(block)
                watch(done, total)
                block = _read(response, remote.url, done, total)
    if total is not None and done < total:
        raise _broken(remote.url, done, total, "the server closed the connection")
    tag.unlink(missing_ok=True)


def _open(remote: Remote, part: Path, start: int, timeout: float) -> http.client.HTTPResponse:
    """The answer of the server: the rest of the file (206), or all of it."""
    headers = {"User-Agent": "wplus"}
    if start:
        headers["Range"] = f"bytes={start}-"
        tag = part.with_name(part.name + ".tag")
        if tag.exists():
            headers["If-Range"] = tag.read_text(encoding="utf-8")
    try:
        response = urlopen(Request(remote.url, headers=headers), timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:  # there is nothing behind the part: it is no beginning of this file
            part.unlink()
            return _open(remote, part, 0, timeout)
        status = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
        raise DownloadError(f"{remote.url}: the server answers {status}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise DownloadError(f"{remote.url}: no connection: {getattr(reason, 'strerror', None) or reason}") from error
    assert isinstance(response, http.client.HTTPResponse)
    if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        response.close()
        part.unlink(missing_ok=True)
        raise DownloadError(f"{remote.url}: the server sent another piece than asked for; try again")
    return response


def _read(response: http.client.HTTPResponse, url: str, done: int, total: int | None) -> bytes:
    """The next bytes; empty at the end."""
    try:
        return response.read(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _broken(url, done, total, str(error) or type(error).__name__) from error


def _accept(remote: Remote, part: Path, target: Path) -> None:
    """Put the part in its place if its sum is the one known or recorded; record it if there is none."""
    found = sha256_of(part)
    expected = remote.sha256 or recorded_sum(target)
    if expected is not None and found != expected:
        part.unlink()
        whence = "expected" if remote.sha256 else f"{record_of(target)} recorded"
        raise DownloadError(f"{remote.url}: its SHA-256 is {found}, {whence} {expected}; what was fetched is discarded")
    if expected is None:
        record_sum(target, found)
    with replacing(target) as temporary:
        part.replace(temporary)


def _version(response: http.client.HTTPResponse) -> str:
    """What names this version of the file: a strong entity tag, or the date of its last change."""
    tag = str(response.headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(response.headers.get("Last-Modified", ""))


def _title(page: bytes) -> str:
    """What a web page calls itself, as the end of a message."""
    found = TITLE.search(page)
    words = html.unescape(found[1].decode("utf-8", "replace")).split() if found else []
    printable = "".join(letter for letter in " ".join(words) if letter.isprintable())
    return f": '{printable[:100]}'" if printable else ""


def _broken(url: str, done: int, total: int | None, reason: str) -> DownloadError:
    of = f" of {megabytes(total)}" if total is not None else ""
    return DownloadError(f"{url}: broken off after {megabytes(done)}{of} ({reason}); try again to go on from there")
