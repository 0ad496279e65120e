"""The catalogue: its entries, and downloads from a server that misbehaves."""

import ast
import errno
import hashlib
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from wplus.core import DownloadError, GeneratorError, OutputError, WeightsError
from wplus.core.files import cache_folder
from wplus.models import catalogue, load_generator, load_perceptual
from wplus.models.catalogue import fetch, find
from wplus.models.download import Remote, download, is_offline, record_of, sha256_of
from wplus.models.entries import ENTRIES, NGC, SHIPPED, Entry
from wplus.models.squeezenet import SqueezeNetLevels
from wplus.models.trunks import trunk_weights
from wplus.models.vgg import load_vgg16

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GOLDEN = Path(__file__).parent / "golden"
SCRIPT = Path(sys.executable).parent / "wplus"
DATA = bytes(range(256)) * 4000
SUM = hashlib.sha256(DATA).hexdigest()
PAGE = b"\n<!DOCTYPE html><html><head><title>Google Drive\n - Quota &amp; exceeded\x1b[31m</title></head></html>"


def silent(done, total):
    """Watch a download without a word."""


class Server(ThreadingHTTPServer):
    """Serves one body at every address; its flags are its vices."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.body, self.etag = DATA, '"one"'
        self.ranges, self.cut, self.length, self.status, self.stalls = True, None, True, 200, False
        self.asked = []
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0
        if self.headers.get("If-Range") not in {None, server.etag}:
            start = 0
        if start >= len(server.body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        if server.length:
            self.send_header("Content-Length", str(len(server.body) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        self.wfile.write(server.body[start : server.cut])
        if server.stalls:
            self.wfile.flush()
            server.over.wait(20)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and no word of the user's own settings."""
    for name in ("WPLUS_OFFLINE", "XDG_CACHE_HOME", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WPLUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "cache"


@pytest.fixture
def entry(server, monkeypatch):
    """A catalogue of one more entry, whose file the server has; its sum is not known."""
    entry = Entry("far-16", "far.pkl", replace(NGC, url=server.url), "toys (CC0)", 16)
    monkeypatch.setattr(catalogue, "ENTRIES", (*ENTRIES, entry))
    monkeypatch.setattr(catalogue, "GENERATORS", (*catalogue.GENERATORS, entry.name))
    return entry


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_sums_of_what_ships_are_those_of_the_files():
    for entry in SHIPPED:
        found = f"size={entry.path.stat().st_size:_}, sha256={sha256_of(entry.path)!r}"
        known = f"size={entry.size:_}, sha256={entry.sha256!r}"
        assert found == known, f"{entry.path.name} was made anew: SHIPPED in models/entries.py must say {found}"


def test_every_entry_has_a_name_a_file_and_terms_of_its_own():
    assert len({entry.name for entry in ENTRIES}) == len({entry.file for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        assert all((entry.release.licence, entry.release.terms, entry.data, entry.release.source)), entry.name
        assert "arXiv:" in entry.release.paper
        assert entry.url is None or entry.url.startswith("https://")
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert entry.perceptual in catalogue.PERCEPTUAL
        assert (entry.kind == "generator") == (entry.resolution is not None)
        sides = re.findall(r"(\d+)_\d+x\d+\.|(\d+)x\2", entry.file)  # the side, or it before that of the stylemap
        assert not sides or int("".join(sides[0])) == entry.resolution


def test_a_download_arrives_whole_and_tells_how_far_it_is(server, tmp_path):
    told = []
    target = tmp_path / "deep" / "a.pkl"
    download(Remote(server.url, SUM, len(DATA)), target, watch=lambda done, total: told.append((done, total)))
    assert target.read_bytes() == DATA
    assert names(target.parent) == ["a.pkl"]
    assert told[-1] == (len(DATA), len(DATA))
    assert told == sorted(told)
    assert len(told) > 2


@pytest.mark.parametrize("sha256", [SUM, None])
def test_a_download_that_broke_off_goes_on(server, tmp_path, sha256):
    target = tmp_path / "a.pkl"
    server.cut = len(DATA) // 2
    with pytest.raises(DownloadError, match=r"broken off after 0\.5 MB of 1\.0 MB .*try again to go on from there"):
        download(Remote(server.url, sha256), target, watch=silent)
    assert not target.exists()
    assert (tmp_path / "a.pkl.part").stat().st_size == len(DATA) // 2
    server.cut, told = None, []
    download(Remote(server.url, sha256), target, watch=lambda done, total: told.append(done))
    assert server.asked == [None, f"bytes={len(DATA) // 2}-"]
    assert told[0] > len(DATA) // 2
    assert target.read_bytes() == DATA
    assert names(tmp_path) == (["a.pkl"] if sha256 else ["a.pkl", "a.pkl.json"])


def test_a_server_that_ignores_ranges_sends_all_of_it(server, tmp_path):
    (tmp_path / "a.pkl.part").write_bytes(b"something else")
    server.ranges = False
    download(Remote(server.url, SUM), tmp_path / "a.pkl", watch=silent)
    assert server.asked == ["bytes=14-"]
    assert (tmp_path / "a.pkl").read_bytes() == DATA


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(server, tmp_path):
    server.cut = 1000
    with pytest.raises(DownloadError, match="broken off"):
        download(Remote(server.url), tmp_path / "a.pkl", watch=silent)
    server.cut, server.etag, server.body = None, '"two"', DATA[::-1]
    download(Remote(server.url), tmp_path / "a.pkl", watch=silent)
    assert server.asked[1] == "bytes=1000-"
    assert (tmp_path / "a.pkl").read_bytes() == DATA[::-1]


def test_a_part_that_cannot_be_told_to_belong_is_not_gone_on_with(server, tmp_path):
    (tmp_path / "a.pkl.part").write_bytes(DATA[:1000])
    download(Remote(server.url), tmp_path / "a.pkl", watch=silent)  # neither a sum nor the server's tag
    assert server.asked == [None]


def test_a_part_longer_than_the_file_is_dropped(server, tmp_path):
    (tmp_path / "a.pkl.part").write_bytes(DATA + b"more")
    download(Remote(server.url, SUM), tmp_path / "a.pkl", watch=silent)
    assert len(server.asked) == 2
    assert (tmp_path / "a.pkl").read_bytes() == DATA


def test_a_web_page_is_refused_by_its_name_and_the_part_is_kept(server, tmp_path):
    (tmp_path / "a.pkl.part").write_bytes(DATA[:1000])
    server.body, server.ranges = PAGE, False
    with pytest.raises(DownloadError) as caught:
        download(Remote(server.url, SUM), tmp_path / "a.pkl", watch=silent)
    expected = f"{server.url}: the server sent a web page, not the file: 'Google Drive - Quota & exceeded[31m'"
    assert str(caught.value) == expected
    assert names(tmp_path) == ["a.pkl.part"]
    assert (tmp_path / "a.pkl.part").read_bytes() == DATA[:1000]


def test_a_wrong_sum_keeps_the_old_file(server, tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"old")
    with pytest.raises(DownloadError, match=f"its SHA-256 is {SUM}, expected 0000.* is discarded"):
        download(Remote(server.url, "0" * 64), tmp_path / "a.pkl", watch=silent)
    assert names(tmp_path) == ["a.pkl"]
    assert (tmp_path / "a.pkl").read_bytes() == b"old"


def test_another_size_is_told_before_the_download(server, tmp_path):
    with pytest.raises(DownloadError, match=r"the server offers 1,024,000 bytes, expected 5$"):
        download(Remote(server.url, SUM, 5), tmp_path / "a.pkl", watch=silent)
    assert names(tmp_path) == []


def test_a_sum_nobody_knew_is_recorded_and_holds_from_then_on(server, tmp_path):
    target = tmp_path / "a.pkl"
    server.length = server.etag = None
    download(Remote(server.url), target, watch=silent)
    assert SUM in record_of(target).read_text()
    server.body = b"another file"
    with pytest.raises(DownloadError, match=rf"a\.pkl\.json recorded {SUM}; what was fetched is discarded"):
        download(Remote(server.url), target, watch=silent)
    assert target.read_bytes() == DATA


def test_servers_and_networks_that_fail_are_told_in_one_line(server, tmp_path):
    target = tmp_path / "a.pkl"
    server.status = 404
    with pytest.raises(DownloadError, match=f"{server.url}: the server answers 404 Not Found$"):
        download(Remote(server.url), target, watch=silent)
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/a: no connection: .*refused"):
        download(Remote("http://127.0.0.1:9/a"), target, watch=silent)
    server.status, server.stalls, server.cut = 200, True, 1000
    with pytest.raises(DownloadError, match=r"broken off after 0\.0 MB \(timed out\)|broken off after .*timed out"):
        download(Remote(server.url), target, watch=silent, timeout=0.2)


def test_a_full_disk_is_told_before_and_during_the_download(server, tmp_path, monkeypatch):
    target = tmp_path / "a.pkl"
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=500_000))
        with pytest.raises(OutputError, match=r"the disk is full: 1\.0 MB are needed, 0\.5 MB are free"):
            download(Remote(server.url), target, watch=silent)

    def full(done, total):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=rf"cannot write {target}: No space left on device"):
        download(Remote(server.url), target, watch=full)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        download(Remote(server.url), tmp_path / "file" / "a.pkl", watch=silent)


def test_the_cache_folder_follows_its_variables(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("WPLUS_CACHE")
    assert cache_folder() == Path("~/.cache/wplus").expanduser()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "wplus"
    for value, off in (("1", True), ("yes", True), ("0", False), ("", False), ("False", False)):
        monkeypatch.setenv("WPLUS_OFFLINE", value)
        assert is_offline() == off, value


def test_fetch_shows_the_terms_and_prints_the_path(wplus, entry, cache, server):
    code, out, err = wplus("models", "fetch", "far-16")
    assert (code, out) == (0, f"{cache / 'models' / 'far.pkl'}\n")
    assert err.splitlines()[:2] == [
        "licence  Nvidia Source Code License",
        "terms    research and evaluation, non-commercial; trained on toys (CC0)",
    ]
    assert wplus("models", "fetch", "far-16", "--offline")[0] == 0  # it is here
    assert len(server.asked) == 1
    assert wplus("models", "fetch", "far-16", "--again", "--yes")[0] == 0
    assert len(server.asked) == 2
    assert f"sha256              {SUM}" in wplus("models", "show", "far-16")[1]


def test_a_damaged_file_in_the_cache_is_told_and_fetched_anew(wplus, entry):
    path = fetch(entry, watch=silent)
    path.write_bytes(b"damaged")
    with pytest.raises(GeneratorError, match=r"far\.pkl: damaged, .*; fetch it with `wplus models fetch far-16`$"):
        load_generator("far-16")
    code, _, err = wplus("models", "fetch", "far-16", "--offline")
    assert code == 1
    assert "damaged" in err
    assert err.endswith("downloads are off (--offline or WPLUS_OFFLINE)\n")
    assert wplus("models", "fetch", "far-16")[0] == 0
    assert path.read_bytes() == DATA


def test_a_generator_is_opened_by_name_once_it_is_fetched(entry, server, mini, tmp_path):
    with pytest.raises(GeneratorError, match=r"far-16 is not here yet: fetch it with `wplus models fetch far-16`$"):
        load_generator("far-16")
    mini.save(tmp_path / "mini.safetensors")
    server.body = (tmp_path / "mini.safetensors").read_bytes()
    fetch(entry, watch=silent)
    generator = load_generator("far-16")
    assert generator.fingerprint == mini.fingerprint
    assert (generator.name, generator.card.perceptual) == ("far-16", "vgg16")
    assert generator.card.terms == entry.terms
    assert generator.card.licence == "Nvidia Source Code License"


def test_what_no_program_can_fetch_says_where_it_is_and_is_recorded_when_it_came(wplus, cache):
    code, _, err = wplus("models", "fetch", "rosinality-ffhq-256")
    assert code == 1
    assert "get 550000.pt from https://github.com/rosinality/stylegan2-pytorch" in err
    assert f"put it into {cache / 'models'} or give the file itself" in err
    path = cache / "models" / "550000.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    assert fetch(find("rosinality-ffhq-256"), watch=silent) == path
    assert SUM in record_of(path).read_text()


def test_nothing_is_downloaded_offline(wplus, entry, server, monkeypatch):
    expected = "wplus: far-16 is not here; downloads are off (--offline or WPLUS_OFFLINE)"
    assert wplus("models", "fetch", "far-16", "--offline")[2].splitlines()[-1] == expected
    monkeypatch.setenv("WPLUS_OFFLINE", "1")
    assert wplus("models", "fetch", "far-16")[2].splitlines()[-1] == expected
    with pytest.raises(WeightsError, match="vgg16 is not here yet: fetch it with `wplus models fetch vgg16`"):
        load_perceptual("vgg16")
    assert server.asked == []


@pytest.mark.parametrize("load", [load_vgg16, SqueezeNetLevels, lambda: load_perceptual("vgg16")])
def test_no_network_that_torchvision_publishes_is_downloaded_offline(load, tmp_path, monkeypatch):
    def asked(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("WPLUS_OFFLINE", "1")
    for name in ("urllib.request.urlopen", "torch.hub.urlopen", "wplus.models.download.urlopen"):
        monkeypatch.setattr(name, asked)
    with pytest.raises(WeightsError, match="is not here"):
        load()


@pytest.mark.parametrize("name", ["squeezenet", "vgg16", "alexnet"])
def test_a_pickle_in_the_place_of_a_download_is_never_run(name, tmp_path, monkeypatch):
    """Not even one whose sum is taken for right."""

    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harm",)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("wplus.models.catalogue._damage", lambda entry: None)
    monkeypatch.setattr("wplus.models.vgg.sha256_of", lambda path: "397923af")
    path = find(name).path
    path.parent.mkdir(parents=True)
    torch.save({"features.0.weight": Harm()}, path)
    load = {"squeezenet": SqueezeNetLevels, "vgg16": load_vgg16}.get(name, lambda: trunk_weights(name))
    with pytest.raises(WeightsError):
        load()
    assert not (tmp_path / "harm").exists()


def test_the_code_has_no_way_to_unpickle_without_limits():
    root = Path(__file__).parents[1]
    rooms = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"].values()
    calls = [
        (path.name, ast.unparse(node))
        for room in rooms
        for path in (root / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith((".get_state_dict", "torch.load", "load_state_dict_from_url", "hub.load"))
    ]
    assert calls
    for name, call in calls:
        assert "weights_only=True" in call, f"{name}: {call}"


def test_info_tells_the_format_of_the_file_that_a_name_stands_for(wplus, cache):
    path = find("ada-ffhq").path
    path.parent.mkdir(parents=True)
    shutil.copy(GOLDEN / "sg2ada_mini_16.nosrc.pkl", path)
    for given, name in (("ada-ffhq", "ada-ffhq"), (path, "ffhq")):
        assert re.search(rf"^generator +{name}\nformat +nvidia\n", wplus("info", given)[1])


def test_info_knows_the_networks_that_are_no_generators(wplus, tmp_path, monkeypatch):
    monkeypatch.setattr("wplus.models.catalogue._damage", lambda entry: None)
    for name in ("vgg16", "alexnet"):
        refusal = f"wplus: {name} is not here yet: fetch it with `wplus models fetch {name}`\n"
        assert wplus("info", name) == (1, "", refusal)
    path = find("alexnet").path
    path.parent.mkdir(parents=True)
    torch.save({"features.0.weight": torch.zeros(2, 3)}, path)
    code, out, err = wplus("info", "alexnet")
    assert (code, err) == (0, "")
    assert re.search(r"^classifier +alexnet\nformat +torchvision\ntensors +1\nparameters +6\n", out)


def test_a_user_at_a_terminal_is_asked_once(wplus, entry, server, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    answers = [False, True]
    monkeypatch.setattr("click.confirm", lambda *args, **kwargs: answers.pop(0))
    code, _, err = wplus("models", "fetch", "far-16")
    assert code == 1
    assert err.endswith("wplus: far-16: not fetched\n")
    assert server.asked == []
    assert wplus("models", "fetch", "far-16")[0] == 0
    assert wplus("models", "fetch", "far-16")[0] == 0
    assert (answers, len(server.asked)) == ([], 1)


def test_the_installed_script_lists_what_is_here(cache):
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "ffhq.pkl").write_bytes(DATA)
    lines = subprocess.run([SCRIPT, "models"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "name                        pixels       size  here         licence"
    assert len(lines) == 1 + len(ENTRIES)
    shipped = f"{find('faces-64').path.stat().st_size / 1e6:.1f} MB"
    for line in (
        f"faces-64                        64  {shipped:>9}  shipped      research and non-commercial use",
        "vgg16                            -   553.4 MB  not fetched  BSD-3-Clause",
        "stylegan3-t-ffhq-1024         1024          -  not fetched  Nvidia Source Code License",
        "ada-ffhq                      1024     1.0 MB  fetched      Nvidia Source Code License",
        "stylegan-ffhq-1024            1024          -  by hand      CC BY-NC 4.0",
    ):
        assert line in lines, line


def test_one_model_is_shown_with_all_that_is_known(wplus):
    code, out, err = wplus("models", "show", "stylegan3-t-ffhq-1024")
    assert (code, err) == (0, "")
    assert out == (
        "name                stylegan3-t-ffhq-1024\n"
        "kind                generator\n"
        "here                not fetched\n"
        "file                stylegan3-t-ffhq-1024x1024.pkl\n"
        "format              NVIDIA .pkl\n"
        "resolution          1024\n"
        "size                -\n"
        "sha256              unknown; recorded when it is fetched\n"
        "perceptual network  vgg16\n"
        "licence             Nvidia Source Code License\n"
        "terms               research and evaluation, non-commercial; trained on"
        " FFHQ (CC BY-NC-SA 4.0; not for the development of face recognition)\n"
        "source              https://github.com/NVlabs/stylegan3\n"
        "paper               StyleGAN3, Karras et al. 2021, arXiv:2106.12423\n"
        "url                 https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan3/versions/1/files/"
        "stylegan3-t-ffhq-1024x1024.pkl\n"
    )


def test_an_unknown_model_suggests_the_nearest(wplus):
    refusal = "wplus: no model is named 'stylegan3-t-fhq-1024'; did you mean 'stylegan3-t-ffhq-1024'?\n"
    assert wplus("models", "fetch", "stylegan3-t-fhq-1024") == (1, "", refusal)
    refusal = "wplus: no model is named 'nonsense'; known: `wplus models` lists them\n"
    assert wplus("models", "fetch", "nonsense") == (1, "", refusal)
