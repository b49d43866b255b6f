"""A time-stamp authority (RFC 3161) on this computer, for the demo. Standard library and openssl.

`openssl ts` answers the questions. A real federation names an authority that is not its own: what
this one vouches for shows how it works, not when anything happened.
"""
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from federation import DemoError

POLICY = "1.3.6.1.4.1.99999.1"
QUERY_LIMIT_BYTES = 4096
QUERY_TIMEOUT_S = 10
CONFIG = f"""[tsa]
serial = serial
default_policy = {POLICY}
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
"""
EXTENSIONS = "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """Keys and certificates in `folder`; answers POST /tsr on loopback from start() to stop()."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ca = self.folder / "ca.pem"
        self.lock = threading.Lock()  # of the files `query`, `reply` and `serial`
        self.http = None
        self.url = None

    def create(self):
        self.folder.mkdir(parents=True)
        self._write("tsa.cnf", CONFIG)
        self._write("extensions", EXTENSIONS)
        self._write("serial", "01\n")
        self._openssl("req", "-x509", *NEW_KEY, "-days", 3650, "-subj", "/CN=Demo root",
                      "-keyout", "ca.key", "-out", "ca.pem")
        self._openssl("req", "-new", *NEW_KEY, "-subj", "/CN=Demo time-stamp authority",
                      "-keyout", "tsa.key", "-out", "tsa.csr")
        self._openssl("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                      "-CAcreateserial", "-days", 3650, "-extfile", "extensions",
                      "-out", "tsa.pem")

    def start(self):
        """From now on `url` answers."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            timeout = QUERY_TIMEOUT_S

            def do_POST(self):
                length = self.headers.get("Content-Length", "")
                if not length.isdecimal() or int(length) > QUERY_LIMIT_BYTES:
                    self.send_error(413, f"a question has at most {QUERY_LIMIT_BYTES} bytes")
                    return
                try:
                    reply = authority.answer(self.rfile.read(int(length)))
                except DemoError as error:
                    self.send_error(500, str(error))
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *arguments):
                """Quiet: the server's own log says what it asked and got."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/tsr"

    def answer(self, query):
        """A TimeStampResp for a TimeStampReq, both in DER."""
        with self.lock:
            (self.folder / "query").write_bytes(query)
            self._openssl("ts", "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile",
                          "query", "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply")
            return (self.folder / "reply").read_bytes()

    def stop(self):
        if self.http:
            self.http.shutdown()
            self.http.server_close()
            self.http = None

    def _write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *[str(a) for a in arguments]], cwd=self.folder,
                              capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            reason = done.stderr.strip().splitlines()
            raise DemoError(f"`openssl {arguments[0]}` failed: "
                            f"{reason[-1] if reason else 'no reason given'}")


def anchor_section(anchor):
    """Lines of the results page."""
    verified = "yes" if anchor["verified"] else "NO"
    return [f"the ledger's last checkpoint, of {anchor['size']} entries, has a receipt (RFC 3161) "
            f"of {anchor['time']}, verified: {verified}",
            "its authority is the demo's own, so this shows how it is done; a real one is not the "
            "federation's"]
