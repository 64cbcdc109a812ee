"""Headless Chromium, driven through chromedriver by WebDriver: enough of the protocol to open a page and to look."""

from __future__ import annotations

import base64
import http.client
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--disable-gpu-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--window-size=800,1500",
)
MEND = "apt-get install chromium chromium-driver; tools/setup.sh does so on Debian"
SECONDS = 90


class Browser:
    """A session of a browser."""

    def __init__(self, port: int, profile: Path) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": program("chromium", "chromium-browser")}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self.session = self._call("POST", "/session", wanted)["sessionId"]

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        value = json.loads(answer.read())["value"]
        assert answer.status == 200, f"{method} {path}: {value}"
        return value

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self._call(method, f"/session/{self.session}{path}", body)

    def open(self, url: str) -> None:
        self.call("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns in the page; it may wait for promises."""
        body = f"return (async function () {{ {script} }}).apply(null, arguments)"
        return self.call("POST", "/execute/sync", {"script": body, "args": list(arguments)})

    def before_each_page(self, script: str) -> str:
        """Run a script before those of each page from now on; gives what `forget` takes."""
        done = self.call(
            "POST",
            "/goog/cdp/execute",
            {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": script}},
        )
        return done["identifier"]

    def forget(self, identifier: str) -> None:
        body = {"cmd": "Page.removeScriptToEvaluateOnNewDocument", "params": {"identifier": identifier}}
        self.call("POST", "/goog/cdp/execute", body)

    def until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + SECONDS
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < end, (
                f"not within {SECONDS} s: {condition}; {self.run('return document.body.innerText')}"
            )
            time.sleep(0.05)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self) -> None:
        self.call("DELETE", "")
        self.connection.close()


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a fresh profile in a folder; chromedriver and all that it started end with the block."""
    with (folder / "chromedriver.log").open("w+") as log:
        driver = subprocess.Popen([program("chromedriver"), "--port=0"], stdout=log, stderr=subprocess.STDOUT)
        try:
            found = Browser(_port(folder / "chromedriver.log", driver), folder / "profile")
            try:
                yield found
            finally:
                found.close()
        finally:
            driver.terminate()
            driver.wait(20)


def _port(log: Path, driver: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and driver.poll() is None:
        if told := re.search(r"started successfully on port (\d+)", log.read_text()):
            return int(told[1])
        time.sleep(0.02)
    raise AssertionError(f"chromedriver did not start: {log.read_text()}")


def program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise AssertionError(f"there is no {names[0]} on this machine\n  mend: {MEND}")
