"""How many pairs a second `piafusion serve` fuses, beside calling `Fuser` directly in a loop.

Both decode, fuse and encode the same files, in turns, so that a busy machine slows both:

    python benchmarks/serving.py DATA --clients 8 --seconds 60

`--batching` measures instead what one run of the network on several pairs would gain. `--attacker`
has the clients ask beside another, who sends each hostile file of a folder once a second, and tells
whether they notice.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from pathlib import Path

import numpy as np

from piafusion import Fuser
from piafusion.engines import create_engine
from piafusion.imaging.io import decode_image, decode_infrared, encode_image
from piafusion.lab.data.folders import dataset_pairs
from piafusion.machine import usable_cores
from piafusion.weights import DEFAULT_MODEL

Files = tuple[bytes, bytes]
ROUNDS = 3


def direct(fuser: Fuser, files: Files) -> None:
    """Do without a server what a request asks for."""
    infrared, visible = decode_infrared(files[0], "ir"), decode_image(files[1], "vi")
    encode_image(fuser(infrared, visible), ".png")


def rate(
    work: Callable[[Files], object], pairs: list[Files], seconds: float, workers: int
) -> float:
    """Return how often a second so many threads do the work."""
    done, end = Counter[int](), time.perf_counter() + seconds
    turn = count()

    def loop(worker: int) -> None:
        while time.perf_counter() < end:
            work(pairs[next(turn) % len(pairs)])
            done[worker] += 1

    threads = [threading.Thread(target=loop, args=(each,)) for each in range(workers)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done.total() / (time.perf_counter() - start)


@contextmanager
def server(model: str) -> Iterator[tuple[int, int]]:
    """Run a server; yield its port and process number."""
    command = [sys.executable, "-m", "piafusion", "serve", "--port", "0", "--model", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        try:
            yield int(line.split(":")[2].split("/")[0]), process.pid
        finally:
            process.terminate()


def form(files: Files) -> bytes:
    """Return the body of a request for a pair."""
    return body({"infrared": files[0], "visible": files[1]})


def body(files: dict[str, bytes], **fields: bytes) -> bytes:
    """Return the body of a request, with the boundary B."""
    parts = [(f'"{name}"; filename="x"', data) for name, data in files.items()]
    parts += [(f'"{name}"', data) for name, data in fields.items()]
    heads = (f"--B\r\nContent-Disposition: form-data; name={name}\r\n\r\n" for name, _ in parts)
    lines = (h.encode() + data + b"\r\n" for h, (_, data) in zip(heads, parts, strict=True))
    return b"".join(lines) + b"--B--\r\n"


def family(process: int) -> list[Path]:
    """Return the folders in /proc of a process and of those it has started."""
    started = set[str]()
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended
            started.update(file.read_text().split())
    return [Path("/proc", each) for each in (str(process), *started)]


def busy(process: int) -> float:
    """Return the processor seconds that a process and those it has started have used."""
    ticks = 0
    for folder in family(process):
        with suppress(OSError, IndexError):  # a process that has ended
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(process: int) -> float:
    """Return the memory of a process and of those it has started, in MiB."""
    total = 0
    for folder in family(process):
        with suppress(OSError, IndexError):
            status = (folder / "status").read_text()
            total += int(status.split("VmRSS:")[1].split()[0])
    return total / 1024


class Clients:
    """Clients that ask for one fused picture after the other, each over a connection of its own."""

    def __init__(self, port: int, pairs: list[Files]) -> None:
        """Prepare the requests."""
        self.pictures: dict[Files, Counter[bytes]] = {pair: Counter() for pair in pairs}
        self._bodies = {pair: form(pair) for pair in pairs}
        self._port, self._local = port, threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    def __call__(self, files: Files) -> None:
        """Ask once."""
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", self._port)
            self._connections.append(self._local.connection)
        start = time.perf_counter()
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        self._local.connection.request("POST", "/v1/fuse", self._bodies[files], headers)
        response = self._local.connection.getresponse()
        picture = response.read()
        if response.status == 200:
            self.pictures[files][sha256(picture).digest()] += 1
        self.seconds.append(time.perf_counter() - start)
        self.statuses[response.status] += 1

    def rate(self, pairs: list[Files], seconds: float, clients: int) -> float:
        """Ask for a while and return the answers a second."""
        try:
            return rate(self, pairs, seconds, clients)
        finally:
            while self._connections:
                self._connections.pop().close()


def load(pairs: list[Files], model: str, clients: int, seconds: float) -> None:
    """Measure in turns and print what came out."""
    cores = usable_cores()
    alone, shared = Fuser(model), Fuser(model, threads=1)
    rates: dict[str, list[float]] = {"loop": [], "threads": [], "server": []}
    with server(model) as (port, process):
        Clients(port, pairs).rate(pairs, seconds / 10, clients)  # warms up
        memory = [resident(process)]
        asked = Clients(port, pairs)
        direct_busy, direct_pairs, server_busy = 0.0, 0.0, busy(process)
        for _ in range(ROUNDS):
            part = seconds / ROUNDS
            rates["loop"].append(rate(lambda f: direct(alone, f), pairs, part / 2, 1))
            before, start = busy(os.getpid()), time.perf_counter()
            rates["threads"].append(rate(lambda f: direct(shared, f), pairs, part / 2, cores))
            direct_pairs += rates["threads"][-1] * (time.perf_counter() - start)
            direct_busy += busy(os.getpid()) - before
            rates["server"].append(asked.rate(pairs, part, clients))
            memory.append(resident(process))
        server_busy = busy(process) - server_busy
    means = {name: float(np.mean(found)) for name, found in rates.items()}
    print(f"{model}, {cores} cores, {clients} clients, {len(pairs)} pairs; pairs a second:")
    for name, label in (
        ("loop", f"Fuser in a loop, {alone.engine.threads} threads in the network"),
        ("threads", f"Fuser in {cores} threads of one each"),
        ("server", "server"),
    ):
        rounds = ", ".join(f"{value:.1f}" for value in rates[name])
        print(f"  {label}: {means[name]:.2f} ({rounds})")
    print(f"server / loop: {means['server'] / means['loop']:.0%}")
    print(f"server / threads: {means['server'] / means['threads']:.0%}")
    own, servers = direct_busy / direct_pairs, server_busy / len(asked.seconds)
    print(
        f"processor time a pair: Fuser in threads {own * 1e3:.0f} ms, server {servers * 1e3:.0f} ms"
    )
    p50, p99 = np.percentile(asked.seconds, [50, 99]) * 1e3
    print(f"latency with {clients} clients: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    print(f"answers: {json.dumps(dict(asked.statuses))}")
    print(f"server's memory, MiB: {', '.join(f'{each:.0f}' for each in memory)}")


def hostile(folder: Path, good: Files) -> dict[str, tuple[str, bytes]]:
    """Return what is sent of each file, by name: the path of the route and the body."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        pair = {"infrared": good[0], "visible": good[1]}
        if path.suffix == ".zip":
            found[path.name] = "/v1/fuse/batch", body({"pairs": data})
        elif path.name.startswith("alignment"):
            found[path.name] = "/v1/fuse", body(pair, alignment=data)
        else:
            for side in pair:
                found[f"{path.name} as {side}"] = "/v1/fuse", body({**pair, side: data})
    return found


class Attacker:
    """Sends every hostile request once a second, each over a connection of its own."""

    def __init__(self, port: int, requests: dict[str, tuple[str, bytes]]) -> None:
        """Prepare to ask."""
        self._port, self._requests, self._stop = port, requests, threading.Event()
        self.statuses: dict[str, Counter[str]] = {name: Counter() for name in requests}

    def _send(self, name: str) -> None:
        path, content = self._requests[name]
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._port, timeout=120, source_address=("127.0.0.2", 0)
        )
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        try:
            connection.request("POST", path, content, headers)
            response = connection.getresponse()
            response.read()
            self.statuses[name][str(response.status)] += 1
        except OSError as error:
            self.statuses[name][type(error).__name__] += 1
        finally:
            connection.close()

    def _repeat(self, name: str) -> None:
        while not self._stop.wait(1):
            threading.Thread(target=self._send, args=(name,), daemon=True).start()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Attack while the block runs."""
        for name in self._requests:
            threading.Thread(target=self._repeat, args=(name,), daemon=True).start()
        try:
            yield
        finally:
            self._stop.set()


def attacked(pairs: list[Files], model: str, clients: int, seconds: float, folder: Path) -> None:
    """Have clients ask beside an attacker, and print what became of both."""
    with server(model) as (port, process):
        alone, beside = Clients(port, pairs), Clients(port, pairs)
        before = alone.rate(pairs, seconds / 6, clients)
        memory, stop = [resident(process)], threading.Event()

        def watch() -> None:
            while not stop.wait(1):
                memory.append(resident(process))

        threading.Thread(target=watch, daemon=True).start()
        attacker = Attacker(port, hostile(folder, pairs[0]))
        with attacker.at_work():
            during = beside.rate(pairs, seconds, clients)
        after = Clients(port, pairs).rate(pairs, seconds / 6, clients)
        stop.set()
    parts = np.array_split(memory, 6)
    same = True
    for pair in pairs:
        expected, found = alone.pictures[pair].keys(), beside.pictures[pair].keys()
        same = same and len(expected) == 1 and found <= expected
    print(f"{model}, {clients} clients for {seconds:g} s beside an attacker of {folder}")
    print(f"answers to clients: {json.dumps(dict(beside.statuses))}")
    print(f"pairs a second before, beside and after: {before:.1f}, {during:.1f}, {after:.1f}")
    print(f"pictures identical to those made without the attacker: {'yes' if same else 'NO'}")
    means = ", ".join(f"{np.mean(part):.0f}" for part in parts)
    print(f"memory of all processes, MiB: mean of each sixth {means}; most {max(memory):.0f}")
    for name, statuses in attacker.statuses.items():
        print(f"answers to {name}: {json.dumps(dict(statuses))}")


def batching(model: str, size: tuple[int, int], seconds: float) -> None:
    """Print pairs a second of one network run on N pairs, and of threads on one pair each."""
    cores = usable_cores()
    generator = np.random.default_rng(0)
    print(f"{model}, {size[1]}x{size[0]}, network alone; pairs a second:")
    for number in (1, 2, 4, 8):
        batch = generator.random((2, number, 1, *size), np.float32)
        for threads, workers in ((cores, 1), (1, cores)):
            engine = create_engine(
                model, kind="fusion", device="cpu", engine="onnx", threads=threads
            )
            found = rate(
                lambda _, e=engine, b=batch: e.fuse(b[0], b[1]), [(b"", b"")], seconds, workers
            )
            print(
                f"  {workers} runs of {number} pairs, {threads} threads each: {found * number:.1f}"
            )


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with ir and vi")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--batching", action="store_true")
    parser.add_argument("--attacker", type=Path, help="folder of hostile files")
    options = parser.parse_args()
    if options.batching:
        batching(options.model, (480, 640), options.seconds / 10)
        return
    found = dataset_pairs(options.data).pairs[: options.pairs]
    pairs = [(pair.infrared.read_bytes(), pair.visible.read_bytes()) for pair in found]
    if options.attacker:
        attacked(pairs, options.model, options.clients, options.seconds, options.attacker)
        return
    load(pairs, options.model, options.clients, options.seconds)


if __name__ == "__main__":
    main()
