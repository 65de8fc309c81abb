import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from piafusion.server.settings import ServerSettings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServerSettings]:
    """The settings that a server would have run with."""
    found: list[ServerSettings] = []

    def run(settings: ServerSettings, bound, level: str) -> bool:
        bound.close()
        found.append(settings)
        return False

    monkeypatch.setattr("piafusion.server.run.run", run)
    monkeypatch.delenv("PIAFUSION_TOKEN", raising=False)
    return found


def test_this_machine_alone_by_default(piafusion, served: list[ServerSettings]) -> None:
    done = piafusion("serve", "--port", 0)
    assert (done.code, done.err) == (0, "")
    assert served[0] == ServerSettings(hosts=("localhost", "127.0.0.1", "[::1]", "::1"))


def test_options(piafusion, served: list[ServerSettings], tmp_path: Path, monkeypatch) -> None:
    token = tmp_path / "token"
    token.write_text("sesame\n")
    options = ["--workers=3", "--queue=2", "--max-megabytes=5", "--cors=https://a.example"]
    options += ["--allow-host=Fusion.example", f"--token-file={token}", "--model=paper"]
    assert piafusion("serve", "--port=0", *options).code == 0
    settings = served[0]
    assert (settings.token, settings.model, settings.share.workers) == ("sesame", "paper", 3)
    assert settings.origins == ("https://a.example",)
    assert "fusion.example" in settings.hosts
    monkeypatch.setenv("PIAFUSION_TOKEN", "other")
    assert piafusion("serve", "--port=0").code == 0
    assert served[1].token == "other"  # noqa: S105


def test_other_machines_without_a_token_are_remarked(
    piafusion, served: list[ServerSettings]
) -> None:
    done = piafusion("serve", "--host=0.0.0.0", "--port=0")
    assert "0.0.0.0 is reached by other machines, and no token" in done.err
    assert served[0].hosts == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--token-file=none"], "none: expected a file with a token"),
        (["--host=192.0.2.1"], "192.0.2.1:0: expected a free address"),
        (["--host=no such host"], "expected a free address"),
        (["--cors=example.org"], "expected an origin"),
        (["--log-level=loud"], "--log-level: expected one of error, warning, info, debug"),
        (["--timeout=0"], "timeout: expected a positive number"),
    ],
)
def test_wrong_use(piafusion, served, options: list[str], message: str) -> None:
    done = piafusion("serve", "--port=0", *options)
    assert done.code == 2
    assert message in done.err
    assert not served


def test_an_unknown_model(piafusion) -> None:
    done = piafusion("serve", "--port=0", "--model=none")
    assert done.code == 2
    assert "expected a model of" in done.err


def test_without_the_extra_the_message_names_it(piafusion, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("piafusion.server.run")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = piafusion("serve")
    assert done.code == 1
    assert "pip install 'piafusion[serve]'" in done.err


def test_the_networks_get_their_part_of_the_cores(monkeypatch) -> None:
    monkeypatch.setattr("piafusion.machine.usable_cores", lambda: 8)
    assert ServerSettings().share == (8, 1)
    assert ServerSettings(workers=2).share == (2, 4)
    assert ServerSettings(device="openvino").share == (8, 8)  # which fuses one pair at a time
