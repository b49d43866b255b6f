"""Drives Debian's Chromium over its debugging pipe: no driver, no package, no network.

The browser reads JSON messages, each ended by a zero byte, from descriptor 3 and writes to 4.
"""
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
START_S = 60
ANSWER_S = 60


class BrowserError(Exception):
    pass


def find_browser():
    """The program's path. BrowserError: there is none."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise BrowserError("Chromium is not here; ./dev setup test installs it")


class Browser:
    """One headless browser with an empty profile; a context manager."""

    def __init__(self, *flags):
        self.profile = tempfile.TemporaryDirectory(prefix="hilum-chromium-")
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()
        arguments = [
            find_browser(), "--headless=new", "--no-first-run", "--disable-gpu",
            "--disable-dev-shm-usage", "--disable-background-networking", "--disable-sync",
            "--disable-component-update", "--disable-extensions", "--no-default-browser-check",
            "--remote-debugging-pipe", f"--user-data-dir={self.profile.name}", *flags]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # root has none; the pages are our own

        def descriptors():
            # 3 and 4 may be in use as other ends: move those away first.
            reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, to_write))
            os.dup2(reader, 3)
            os.dup2(writer, 4)

        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*arguments, "about:blank"], close_fds=False, preexec_fn=descriptors,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.number, self.events = b"", 0, []
        self.call("Browser.getVersion", limit_s=START_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close", limit_s=5)
        except BrowserError:
            pass
        os.close(self.to_browser)
        os.close(self.from_browser)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.profile.name, ignore_errors=True)

    def _read(self, end):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.from_browser], [], [], max(0, end - time.monotonic()))
            data = os.read(self.from_browser, 1 << 16) if ready else b""
            if not data:
                self.log.seek(0)
                text = self.log.read().decode(errors="replace")[-2000:]
                raise BrowserError(f"Chromium {'ended' if ready else 'did not answer'}: {text}")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, limit_s=ANSWER_S, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + limit_s
        while True:
            answer = self._read(end)
            if answer.get("id") != self.number:
                self.events.append(answer)
            elif "error" in answer:
                raise BrowserError(f"{method}: {answer['error']['message']}")
            else:
                return answer["result"]

    def page(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            page.call(f"{domain}.enable")
        return page


class Page:
    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target

    def call(self, method, **parameters):
        return self.browser.call(method, session=self.session, **parameters)

    def before_load(self, script):
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, url):
        self.call("Page.navigate", url=url)

    def run(self, expression):
        """The JSON value of an expression; promises are awaited. BrowserError: it threw."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, expression, limit_s=ANSWER_S):
        """Waits until the expression is true. BrowserError: it was not within the limit."""
        end = time.monotonic() + limit_s
        while not self.holds(expression):
            if time.monotonic() > end:
                raise BrowserError(f"waited {limit_s} s for {expression}: "
                                   f"{self.run('document.body.innerText')[:2000]}")
            time.sleep(0.05)

    def holds(self, expression):
        try:
            return self.run(f"!!({expression})")  # a node has no JSON value
        except BrowserError:
            return False  # between two pages there is none to ask

    def choose_file(self, selector, path):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def messages(self):
        """What the console, the page's errors and the security policy said, as text."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            if event["method"] == "Log.entryAdded":
                found.append(event["params"]["entry"]["text"])
            if event["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                found.append(json.dumps(event["params"]))
            if event["method"] == "Page.javascriptDialogOpening":
                found.append("dialog: " + event["params"]["message"])
        return found

    def requests(self):
        """URLs of all that the page asked for."""
        return [event["params"]["request"]["url"] for event in self.browser.events
                if event.get("sessionId") == self.session and
                event["method"] == "Network.requestWillBeSent"]

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
