"""The running app in a real browser: a Streamlit server, a Chromium, and a page object that waits.

What these tests need of the machine is a Chromium or Chrome. Without one they are skipped with
the reason; where the environment says CI they fail instead, because there they must run.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Playwright, Position, Response, WebSocket, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
START_SECONDS = 60
"""How long a server may take to answer; importing torch on a busy machine takes most of it."""
RUN_SECONDS = 60
"""How long a page may take to show something before a test gives up."""

HEADER_HEIGHT, ROW_HEIGHT = 34, 30
"""Of a table on a page, in pixels."""

SETTLED = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  return !!app
    && app.dataset.testConnectionState === 'CONNECTED'
    && app.dataset.testScriptState === 'notRunning'
    && !document.querySelector(
      '[data-stale="true"], [data-testid="stSkeleton"], [data-testid="stSpinner"]');
}"""
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as one that needs a browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _installed_browser(playwright: Playwright) -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    candidates = [
        os.environ.get("LAYERWISE_BROWSER"),
        *map(shutil.which, names),
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        playwright.chromium.executable_path,
    ]
    return next((path for path in candidates if path and Path(path).is_file()), None)


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> str:
    """Path of the browser to drive."""
    path = _installed_browser(playwright)
    if path:
        return path
    reason = "no Chromium or Chrome found; install one or set LAYERWISE_BROWSER to its path"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], chromium: str
) -> dict[str, Any]:
    """Launch the installed browser. Chromium's sandbox cannot run as root."""
    quiet = [
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return {
        **browser_type_launch_args,
        "executable_path": chromium,
        "args": [*quiet, *(["--no-sandbox"] if as_root else [])],
    }


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Fix everything about the browser that could change what a page shows."""
    return {
        **browser_context_args,
        "viewport": {"width": 1400, "height": 900},
        "locale": "en-US",
        "timezone_id": "UTC",
        "color_scheme": "light",
        "reduced_motion": "reduce",
    }


@dataclass(frozen=True)
class Server:
    """A running Streamlit server and the file that it logs to."""

    url: str
    log: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as response:
            return bool(response.read() == b"ok")
    except OSError:
        return False


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Run `streamlit run app.py` on a free port of 127.0.0.1 until the block is left."""
    port = _free_port()
    server = Server(f"http://127.0.0.1:{port}", folder / "server.log")
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    options = {
        "server.port": str(port),
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    with server.log.open("w") as log:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(server.url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{server.log.read_text()}")
            time.sleep(0.1)  # between two polls: there is nothing to wait on yet
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this folder."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def cold_server(chromium: str, tmp_path: Path) -> Iterator[Server]:
    """A server of its own that nobody has visited: empty caches, no session."""
    with running_server(tmp_path) as running:
        yield running


class App:
    """The app in one browser tab.

    Streamlit's own state attributes say when a page has loaded. They cannot say that the run
    which a click caused is over, because a run of a few milliseconds is never seen as running.
    So `act` counts the "script finished" messages that the server sends over its websocket.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.finished_runs = 0
        page.set_default_timeout(RUN_SECONDS * 1000)
        expect.set_options(timeout=RUN_SECONDS * 1000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("response", self._note_response)
        page.on("websocket", self._listen)

    def _note_response(self, response: Response) -> None:
        # Streamlit itself asks for endpoints that a local server does not have.
        if response.status >= 400 and "/_stcore/" not in response.url:
            self.errors.append(f"{response.status} {response.url}")

    def _listen(self, socket: WebSocket) -> None:
        if "/_stcore/stream" in socket.url:
            socket.on("framereceived", self._count_finished_runs)

    def _count_finished_runs(self, payload: str | bytes) -> None:
        if isinstance(payload, str):
            return
        message = ForwardMsg()
        message.ParseFromString(payload)
        batched = message.WhichOneof("type") == "messages"
        for part in message.messages.messages if batched else [message]:
            finished = part.WhichOneof("type") == "script_finished"
            if finished and part.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self.finished_runs += 1

    def settle(self) -> App:
        """Wait until the page shows the result of the last run."""
        self.page.wait_for_function(SETTLED)
        return self

    def goto(self, server: Server, path: str = "/") -> App:
        """Open a path of a server and wait until it is shown."""
        self.page.goto(server.url + path)
        return self.settle()

    def act(self, action: Callable[[], object], since: int | None = None) -> App:
        """Do something that causes a run, and wait until that run is over and shown.

        Args:
            action: what is done.
            since: how many runs there were before it; those so far if None.
        """
        self.await_run(action, since)
        self.page.evaluate(TWO_FRAMES)
        return self.settle()

    def await_run(self, action: Callable[[], object], since: int | None = None) -> None:
        """Do something that causes a run, and wait until the server has finished it."""
        before = self.finished_runs if since is None else since
        action()
        deadline = time.monotonic() + RUN_SECONDS
        while self.finished_runs == before:
            assert time.monotonic() < deadline, "no script run finished after the action"
            self.page.wait_for_timeout(10)  # lets playwright deliver the websocket's frames

    def widget(self, key: str) -> Locator:
        """The element of the widget with this key."""
        return self.page.locator(f".st-key-{key}")

    def press_in_talk(self, key: str) -> App:
        """Press a key that turns a talk's page, once the talk hears keys.

        What does not fit is scrolled to first, so it may take several presses.
        """
        self.page.locator("html[data-talk-keys]").wait_for(state="attached")
        place = "document.querySelector('[data-testid=stMain]').scrollTop"
        at, runs = -1, self.finished_runs
        while self.finished_runs == runs and at != (now := self.page.evaluate(place)):
            at = now
            self.page.keyboard.press(key)
        return self.act(lambda: None, since=runs)

    def choose(self, key: str, text: str) -> App:
        """Pick the option of a select box that typing this text finds first."""
        box = self.widget(key).get_by_role("combobox")
        box.click()
        box.fill(text)
        self.page.get_by_role("option").first.wait_for()
        return self.act(lambda: box.press("Enter"))

    def fill(self, key: str, text: str) -> App:
        """Type into a text or number field, and leave it."""
        field = self.widget(key).locator("input")
        field.fill(text)
        return self.act(lambda: field.press("Enter"))

    def click_row(self, key: str, row: int) -> App:
        """Click the first cell of a table's row; the table is a canvas without elements."""
        table = self.widget(key).get_by_test_id("stDataFrameResizable")
        position: Position = {"x": 60, "y": HEADER_HEIGHT + (row + 0.5) * ROW_HEIGHT}
        # The table learns where it has been scrolled to a frame later, and so what is clicked.
        table.hover(position=position)
        self.page.evaluate(TWO_FRAMES)
        return self.act(lambda: table.click(position=position))

    def assert_no_errors(self) -> None:
        """Assert that no script raised, in Python or in the browser, and nothing was missing."""
        assert not self.errors, self.errors
        assert self.page.get_by_test_id("stException").count() == 0


@pytest.fixture
def app(page: Page, server: Server) -> Iterator[App]:
    """The app in a fresh browser context; the test fails if anything raised behind it."""
    shown = App(page)
    yield shown
    shown.assert_no_errors()
    assert "Traceback" not in server.log.read_text()
