"""The wheel, built from the sdist and installed: `run` and `dev` in an empty folder, and `dev` when it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.interface import UserInterface
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.ports import free_port

ROOT = Path(__file__).parents[2]
_WITHIN_SECONDS = 60
pytestmark = pytest.mark.faults  # takes a minute


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter of an environment with the wheel, and the libraries of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    _hatchling("sdist", folder, ROOT)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    source = next(path for path in folder.iterdir() if path.is_dir())
    _hatchling("wheel", folder, source)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([sys.executable, *install, *map(str, folder.glob("*.whl"))], check=True)
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return python


def _hatchling(target: str, folder: Path, source: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def _environment(pipeline: Pipeline, **changes: str) -> dict[str, str]:
    """The environment without the checkout on the path of modules."""
    environment = pipeline.environment()
    environment.pop("PYTHONPATH", None)
    return {**environment, **changes}


@contextmanager
def _dev(command: list[str], pipeline: Pipeline, folder: Path, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = _environment(pipeline, **changes)
    with (pipeline.home / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(_WITHIN_SECONDS)


def _wait_until_ended(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, _WITHIN_SECONDS)
    assert [process.cmdline() for process in alive] == []


@pytest.mark.usefixtures("empty_database")
def test_run_and_dev_work_from_the_wheel_in_an_empty_folder(
    make_pipeline: MakePipeline, interpreter: Path, tmp_path: Path
) -> None:
    """The wheel has every file that they need. The processes of `dev` read the `.env` of its folder; after `kill -9`
    of `dev` they end too, and their ports are free."""
    pipeline = make_pipeline(days=1, calls_per_day=3)
    folder = tmp_path / "empty"
    folder.mkdir()
    (first, last), changes = pipeline.days(), {"PYTHONWARNINGS": "error::RuntimeWarning"}
    where = [str(interpreter), "-c", "import copilot_pipeline; print(copilot_pipeline.__file__)"]
    installed = subprocess.run(where, capture_output=True, text=True, check=True, cwd=folder).stdout
    assert installed.startswith(str(interpreter.parents[1]))
    command = [str(interpreter.with_name("copilot-pipeline")), "run", "--from", first, "--to", last]
    done = subprocess.run(command, env=_environment(pipeline, **changes), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "dagster.yaml" not in done.stderr
    assert pipeline.query("SELECT count(*) AS calls FROM copilot.calls")[0]["calls"] == 3
    port, webhook_port = free_port(), free_port()
    (folder / ".env").write_text("COPILOT_PIPELINE_WEBHOOK_SECRET=a-secret-of-the-working-folder\n")
    ports = ["--port", str(port), "--webhook-port", str(webhook_port)]
    with _dev([str(interpreter), "-m", "copilot_pipeline", "dev", *ports], pipeline, folder) as process:
        interface = UserInterface(port, webhook_port)
        interface.wait_until_loaded(process)
        headers = {"x-webhook-secret": "a-secret-of-the-working-folder"}
        assert httpx.post(interface.webhook_url, json={"call_id": "c"}, headers=headers).status_code == 202
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 4
        process.kill()
        _wait_until_ended(children)
    for url in (interface.url, interface.webhook_url):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


@pytest.mark.skipif(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="SIGHUP is switched off, as nohup does")
def test_the_end_of_the_terminal_ends_dev(make_pipeline: MakePipeline) -> None:
    """SIGHUP, which a closed terminal sends, stops every process as SIGTERM does."""
    pipeline = make_pipeline(days=1, calls_per_day=1)
    port, webhook_port = free_port(), free_port()
    command = pipeline.command("dev", "--port", str(port), "--webhook-port", str(webhook_port))
    secret = {"COPILOT_PIPELINE_WEBHOOK_SECRET": "a-secret-for-this-test", "PYTHONPATH": str(ROOT)}
    with _dev(command, pipeline, pipeline.home, **secret) as process:
        deadline = time.monotonic() + _WITHIN_SECONDS
        while b"POST http" not in (pipeline.home / "dev.log").read_bytes():
            assert time.monotonic() < deadline, (pipeline.home / "dev.log").read_text()
            time.sleep(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGHUP)
        assert process.wait(_WITHIN_SECONDS) == 0
        _wait_until_ended(children)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{webhook_port}/healthz")
