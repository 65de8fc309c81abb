import hashlib
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from piafusion.errors import DownloadError, UsageError
from piafusion.imaging.io import read_image, write_image
from piafusion.lab.data.download import download, remember, verify
from piafusion.lab.data.fetch import fetch
from tests.conftest import scene


class Server:
    """Serves one file; can stop early, change it and count what it sends."""

    def __init__(self) -> None:
        self.data = b""
        self.version = '"one"'
        self.stop_after: int | None = None
        self.ranges: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                outer.ranges.append(wanted)
                same = self.headers.get("If-Range") in (None, outer.version)
                start = int(wanted[6:-1]) if wanted and same else 0
                if self.path == "/missing":
                    self.send_error(404)
                    return
                self.send_response(206 if start else 200)
                self.send_header("ETag", outer.version)
                self.send_header("Content-Length", str(len(outer.data) - start))
                self.end_headers()
                end = len(outer.data) if outer.stop_after is None else outer.stop_after
                self.wfile.write(outer.data[start:end])
                outer.stop_after = None

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/set.zip"


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    thread = threading.Thread(target=served.http.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.http.shutdown()
    thread.join()
    served.http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIAFUSION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def archive(folder: Path, extra: dict[str, bytes] | None = None) -> bytes:
    """A set of two pairs, laid out as RoadScene's archive."""
    path = folder / "made.zip"
    with zipfile.ZipFile(path, "w") as file:
        for seed in range(2):
            for name, picture in zip(
                ("cropinfrared", "crop_LR_visible"), scene(seed=seed), strict=True
            ):
                write_image(folder / "x.png", picture, overwrite=True)
                file.writestr(
                    f"RoadScene-master/{name}/{seed}.png", (folder / "x.png").read_bytes()
                )
        file.writestr("RoadScene-master/README.md", "words")
        for name, content in (extra or {}).items():
            file.writestr(name, content)
    return path.read_bytes()


def test_the_command_downloads_verifies_and_unpacks(server, piafusion, tmp_path, cache):
    server.data = archive(tmp_path)
    arguments = ("data", "fetch", "roadscene", "--url", server.url)
    done = piafusion(*arguments, "--output", tmp_path / "road")
    assert done.code == 0, done.err
    digest = hashlib.sha256(server.data).hexdigest()
    assert f"sha256 {digest} (first seen now, recorded)" in done.out
    assert json.loads((cache / "sha256.json").read_text()) == {"roadscene.zip": digest}
    files = sorted(str(p.relative_to(tmp_path / "road")) for p in (tmp_path / "road").rglob("*.*"))
    assert files == ["ir/0.png", "ir/1.png", "vi/0.png", "vi/1.png"]
    assert read_image(tmp_path / "road/vi/1.png").shape == (48, 64, 3)
    done = piafusion(*arguments, "--output", tmp_path / "again")
    assert done.code == 0
    assert "first seen" not in done.out
    assert len(server.ranges) == 1  # the second time it came from the cache


def test_an_interrupted_download_goes_on(server, tmp_path):
    server.data, server.stop_after = bytes(range(256)) * 40, 3000
    target = tmp_path / "file"
    with pytest.raises(DownloadError, match="after 3000 of 10240 bytes; run it again"):
        download(server.url, target)
    assert not target.exists()
    seen = []
    download(server.url, target, lambda *progress: seen.append(progress))
    assert server.ranges == [None, "bytes=3000-"]
    assert target.read_bytes() == server.data
    assert seen[-1] == ("downloading (MiB)", 0, 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_part_of_another_version_is_thrown_away(server, tmp_path):
    server.data, server.stop_after = b"a" * 5000, 1000
    with pytest.raises(DownloadError):
        download(server.url, tmp_path / "file")
    server.data, server.version = b"b" * 4000, '"two"'
    download(server.url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"b" * 4000


def test_a_wrong_hash_is_refused_and_the_file_kept_apart(server, piafusion, tmp_path, cache):
    server.data = archive(tmp_path)
    arguments = ("data", "fetch", "roadscene", "--url", server.url, "--output", tmp_path / "road")
    done = piafusion(*arguments, "--sha256", "0" * 64)
    assert done.code == 1
    assert "expected SHA-256 0000" in done.err
    assert not (tmp_path / "road").exists()
    assert [p.name for p in cache.iterdir()] == ["roadscene.zip.rejected"]
    assert piafusion(*arguments).code == 0


def test_a_set_that_changed_is_noticed(tmp_path):
    record = tmp_path / "sha256.json"
    (tmp_path / "set.zip").write_bytes(b"first")
    digest, trusted = verify(tmp_path / "set.zip", "set.zip", None, record)
    assert trusted
    remember("set.zip", digest, record)
    (tmp_path / "set.zip").write_bytes(b"second")
    with pytest.raises(DownloadError, match=f"expected SHA-256 {digest}"):
        verify(tmp_path / "set.zip", "set.zip", None, record)
    other = hashlib.sha256(b"second").hexdigest()
    (tmp_path / "set.zip.rejected").rename(tmp_path / "set.zip")
    assert verify(tmp_path / "set.zip", "set.zip", other.upper(), record) == (other, False)


@pytest.mark.parametrize(
    "name",
    ["../evil.png", "RoadScene-master/../../evil.png", "/evil.png", "C:/evil.png", "a\\..\\b"],
)
def test_unsafe_names_unpack_nothing(server, tmp_path, name):
    server.data = archive(tmp_path, {name: b"evil"})
    with pytest.raises(DownloadError, match="unsafe name"):
        fetch("roadscene", tmp_path / "deep/road", url=server.url)
    assert not [p for p in tmp_path.rglob("*") if "evil" in p.name or p.name == "road"]


def test_links_unpack_nothing(server, tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as file:
        entry = zipfile.ZipInfo("RoadScene-master/cropinfrared/0.png")
        entry.external_attr = 0o120777 << 16
        file.writestr(entry, "/etc/hosts")
    server.data = path.read_bytes()
    with pytest.raises(DownloadError, match="unsafe name"):
        fetch("roadscene", tmp_path / "road", url=server.url)


def test_a_damaged_archive_leaves_nothing(server, tmp_path, cache):
    server.data = archive(tmp_path)[:-40]
    with pytest.raises(DownloadError, match="expected a whole zip archive"):
        fetch("roadscene", tmp_path / "road", url=server.url)
    assert not list(tmp_path.glob("*road*"))
    assert not (cache / "sha256.json").exists()  # what is damaged is not trusted


def test_another_layout_is_said(server, tmp_path):
    server.data = archive(tmp_path)
    with pytest.raises(DownloadError, match="expected pictures for test/ir, test/vi, train/ir"):
        fetch("msrs", tmp_path / "msrs", url=server.url)


def test_offline_says_what_to_do_and_a_file_put_there_is_used(piafusion, tmp_path, cache):
    offline = "http://127.0.0.1:9/set.zip"  # the discard port: nobody listens
    arguments = ("data", "fetch", "roadscene", "--url", offline, "--output", tmp_path / "road")
    done = piafusion(*arguments)
    assert done.code == 1
    assert f"download it elsewhere and put it at {cache / 'roadscene.zip'}" in done.err
    (cache / "roadscene.zip").write_bytes(archive(tmp_path))
    assert piafusion(*arguments).code == 0


def test_the_servers_no_is_said(server, tmp_path):
    with pytest.raises(DownloadError, match="the server says 404"):
        download(server.url.replace("set.zip", "missing"), tmp_path / "file")


def test_sets_without_plain_downloads_say_what_to_do(piafusion, tmp_path):
    done = piafusion("data", "fetch", "mfnet")
    assert done.code == 2
    assert "piafusion data build-msrs" in done.err
    done = piafusion("data", "fetch")
    assert done.code == 0
    for name in ("msrs", "roadscene", "tno", "m3fd", "llvip", "mfnet"):
        assert name in done.out
    assert piafusion("data", "fetch", "nothing").code == 2


def test_existing_folders_and_other_schemes_are_refused(tmp_path):
    with pytest.raises(UsageError, match="exists already"):
        fetch("roadscene", tmp_path)
    with pytest.raises(UsageError, match="http or https"):
        download("file:///etc/hosts", tmp_path / "file")
