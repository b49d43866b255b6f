"""Starts, kills and asks the programs of a federation on this computer. Standard library only."""
import json
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTEN_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
UNREACHABLE = 5  # exit code of a program whose server did not answer in time: a busy computer
TRIES = 4
RETRY_PAUSE_S = 2
ANCHOR_EVERY_S = 10
ANCHOR_TIMEOUT_S = 60


class DemoError(Exception):
    """One sentence for the person at the terminal."""


class Programs:
    """Runs `hilum VERB ...` out of one build folder, and keeps each call for the record."""

    def __init__(self, bin_dir, log_path):
        self.hilum = str(Path(bin_dir) / "hilum")
        self.log_path = Path(log_path)

    def run(self, *arguments, expect=(0,)):
        """Returns what the call printed. DemoError: another exit code than `expect`.

        A call that did not reach the server is tried again, a few times.
        """
        arguments = [str(argument) for argument in arguments]
        for tries_left in reversed(range(TRIES)):
            done = self._call(arguments)
            if done.returncode != UNREACHABLE or UNREACHABLE in expect or not tries_left:
                break
            time.sleep(RETRY_PAUSE_S)
        if done.returncode not in expect:
            reason = done.stderr.strip().splitlines()
            raise DemoError(f"`hilum {' '.join(arguments)}` ended with exit code "
                            f"{done.returncode}: {reason[-1] if reason else 'no reason given'}")
        return done.stdout

    def _call(self, arguments):
        done = subprocess.run([self.hilum, *arguments], capture_output=True, text=True, check=False)
        with self.log_path.open("a", encoding="utf-8") as log:
            log.write(f"$ hilum {' '.join(arguments)}\n{done.stderr}# exit {done.returncode}\n")
        return done

    def json(self, *arguments, expect=(0,)):
        """The one JSON document that the call prints."""
        return json.loads(self.run(*arguments, "--json", expect=expect))

    def start(self, name, log_dir, *arguments):
        """Starts a program that serves; returns its Process."""
        return Process(name, [self.hilum, *[str(a) for a in arguments]], Path(log_dir))


class Process:
    """One program that runs until it is stopped. Its standard output is JSON lines."""

    def __init__(self, name, command, log_dir):
        self.name = name
        self.killed = False
        log_dir.mkdir(parents=True, exist_ok=True)
        self.out_path = log_dir / f"{name}.out"
        self.err_path = log_dir / f"{name}.err"
        self._offset = self.out_path.stat().st_size if self.out_path.exists() else 0
        # Files, not pipes: nobody has to read them for the program to go on.
        with self.out_path.open("ab") as out, self.err_path.open("ab") as err:
            self.child = subprocess.Popen(command, stdout=out, stderr=err,
                                          stdin=subprocess.DEVNULL, start_new_session=True)

    def wait_for(self, event):
        """Waits for the line {"event": event, ...} of this start, and returns it."""
        deadline = time.monotonic() + LISTEN_TIMEOUT_S
        while time.monotonic() < deadline:
            with self.out_path.open(encoding="utf-8") as out:
                out.seek(self._offset)
                for line in out:
                    if line.endswith("\n") and json.loads(line).get("event") == event:
                        return json.loads(line)
            if self.child.poll() is not None:
                raise DemoError(f"{self.name} ended with exit code {self.child.returncode}; "
                                f"its last words: {self.last_words()}")
            time.sleep(0.02)
        raise DemoError(f"{self.name} was not ready after {LISTEN_TIMEOUT_S} s; "
                        f"see {self.err_path}")

    def last_words(self):
        lines = self.err_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "none"

    def kill(self):
        """SIGKILL: what a power cut looks like to the program."""
        self.killed = True
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def stop(self):
        """SIGTERM, as an operator would; SIGKILL only if that does not help."""
        if self.child.poll() is not None:
            return
        self.child.terminate()
        try:
            self.child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()


class Federation:
    """One server and its sites, each a program of its own with a folder of its own."""

    def __init__(self, programs, folder, data):
        self.programs = programs
        self.folder = Path(folder)
        self.data = Path(data)
        self.site_names = sorted(p.name for p in (self.data / "sites").iterdir() if p.is_dir())
        self.server_dir = self.folder / "server"
        self.logs = self.folder / "logs"
        self.server = None
        self.sites = {}
        self.addresses = None

    def site_dir(self, name):
        return self.folder / "sites" / name

    def start_server(self):
        """Starts the server; after a kill it gets the addresses that it had."""
        listen = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        if self.addresses:
            listen = ["--grpc", self.addresses["grpc"], "--http", self.addresses["http"]]
        self.server = self.programs.start("server", self.logs, "server", "run", "--dir",
                                          self.server_dir, "--json", *listen)
        self.addresses = self.server.wait_for("listening")

    def create(self, federation_name, authority=None):
        """Makes and starts the server. Its ledger asks `authority`, when there is one."""
        self.programs.run("server", "init", "--dir", self.server_dir,
                          "--federation", federation_name)
        if authority:
            self.anchor_at(authority)
        self.start_server()

    def anchor_at(self, authority):
        """Takes up a time-stamp authority in server.toml, before the server starts."""
        shutil.copy(authority.ca, self.server_dir / "authority.pem")
        settings = self.server_dir / "server.toml"
        before, _, _ = settings.read_text(encoding="utf-8").partition("[anchor]\n")
        settings.write_text(f'{before}[anchor]\nurl = "{authority.url}"\nca = "authority.pem"\n'
                            f"every_s = {ANCHOR_EVERY_S}\n", encoding="utf-8")

    def join(self, name):
        """Invites and joins one site."""
        invitation = self.programs.json("server", "invite", "--dir", self.server_dir,
                                        "--site", name)
        self.programs.run("site", "join", "--dir", self.site_dir(name),
                          "--token", invitation["token"], "--server", self.addresses["grpc"])

    def appoint_witnesses(self):
        """From now on the sites' witnesses must cosign the ledger: 4 of 6, one may be dishonest."""
        policy = self.server_dir / "policy"
        self.programs.run("server", "policy", "--dir", self.server_dir, "--install")
        self.server.stop()
        self.start_server()
        self.at_each_site(lambda name: self.programs.run("site", "policy", policy, "--dir",
                                                         self.site_dir(name)))

    def at_each_site(self, action):
        """Site -> result of action(site), for two sites at a time."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            return dict(zip(self.site_names, pool.map(action, self.site_names)))

    def import_films(self, name, source):
        return self.programs.json("site", "import", "--dir", self.site_dir(name), source)

    def start_site(self, name):
        self.sites[name] = self.programs.start(name, self.logs, "site", "run", "--dir",
                                               self.site_dir(name), "--json")
        return self.sites[name]

    def start_sites(self):
        for name in self.site_names:
            self.start_site(name)
        for name in self.site_names:
            self.sites[name].wait_for("ready")

    def approve(self, job):
        self.at_each_site(lambda name: self.programs.run("site", "approve", job, "--dir",
                                                         self.site_dir(name)))

    def credentials(self):
        """What the ML lead's commands need beside the verb."""
        return ["--as", self.server_dir / "operator", "--server", self.addresses["grpc"]]

    def job_status(self, job):
        """The job's status. DemoError: the server, or a site that was not killed, has ended."""
        for process in [self.server, *self.sites.values()]:
            if process.child.poll() is not None and not process.killed:
                raise DemoError(f"{process.name} ended with exit code {process.child.returncode}; "
                                f"its last words: {process.last_words()}")
        return self.programs.json("job", "status", job, *self.credentials())

    def wait_for_anchor(self):
        """The receipt of the published checkpoint, as `hilum ledger anchors` shows it. It comes
        some seconds after the last entry. DemoError: it does not come, or does not verify."""
        deadline = time.monotonic() + ANCHOR_TIMEOUT_S
        while time.monotonic() < deadline:
            found = self.programs.json("ledger", "anchors", "--from", self.server_dir, "--ca",
                                       self.server_dir / "authority.pem")
            receipts = found["receipts"]
            if receipts and receipts[-1]["size"] == found["size"]:
                return receipts[-1]
            time.sleep(0.5)
        raise DemoError(f"the ledger's last checkpoint has no receipt after {ANCHOR_TIMEOUT_S} s")

    def stop(self):
        for process in [*self.sites.values(), self.server]:
            if process:
                process.stop()
