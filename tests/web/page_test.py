"""Opens the ledger's page in Chromium: a good ledger shows success and a changed one failure, and
what the ledger holds stays text.

Usage: page_test.py --source DIR [--bin FOLDER --log FOLDER]
"""
import argparse
import functools
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from browser import Browser
from make_ledger import Key, Ledger, verified_entry

OPTIONS = None
ORIGIN = "fl.example/ledger"
SITES = ["hospital-a", "hospital-b", "hospital-c"]
VERDICT = "document.body.dataset.verdict"
NO_ED25519 = """
  const subtle = crypto.subtle, original = subtle?.importKey.bind(subtle);  // none in about:blank
  if (subtle) subtle.importKey = (format, key, algorithm, ...rest) => algorithm === "Ed25519" ?
    Promise.reject(new DOMException("no", "NotSupportedError")) :
    original(format, key, algorithm, ...rest);
"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map,
                      ".js": "text/javascript"}

    def log_message(self, *_):
        pass


def setUpModule():
    global BROWSER
    BROWSER = Browser("--host-resolver-rules=MAP ledger.test 127.0.0.1",
                      "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable")


def tearDownModule():
    BROWSER.__exit__()


def make_ledger(rounds=3, sites=SITES, **options):
    ledger = Ledger(ORIGIN, sites, **options)
    ledger.start()
    for number in range(rounds):
        ledger.round(loss=f"0.{9 - number}")
    return ledger


class PageTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "served"
        shutil.copytree(OPTIONS.source / "web", self.folder)
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(QuietHandler, directory=self.folder))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.port = self.server.server_address[1]
        self.page = BROWSER.page()
        self.addCleanup(self.page.close)

    def open(self, host="127.0.0.1"):
        """The verdict of the page; fails when the browser complained about it."""
        self.page.open("about:blank")  # else the page before could answer
        self.page.wait("location.href === 'about:blank'")
        self.page.open(f"http://{host}:{self.port}/ledger.html")
        self.page.wait(f"location.pathname === '/ledger.html' && "
                       f"!['waiting', undefined].includes({VERDICT})")
        complaints = [text for text in self.page.messages()
                      if "Failed to load resource" not in text]
        self.assertEqual(complaints, [])
        return self.page.run(VERDICT)

    def check(self, name):
        """State and text of one line of the verdict."""
        line = f"document.querySelector('[data-check={name}]')"
        return self.page.run(f"{line} && [{line}.className, {line}.innerText]")

    def text(self, selector="body"):
        return self.page.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def count(self, selector):
        return self.page.run(f"document.querySelectorAll({json.dumps(selector)}).length")


class Shows(PageTest):
    def test_a_good_ledger_as_success(self):
        ledger = make_ledger(rounds=2)
        ledger.round(loss="0.4", away=["hospital-b"])
        ledger.round(status="aborted")
        ledger.write(self.folder)
        self.assertEqual(self.open(), "good")
        self.assertEqual(self.text("#verdict h2"), "All checks of this page hold")
        for name in ("tree", "sign", "entry", "chain", "witness"):
            self.assertEqual(self.check(name)[0], "good", name)
        self.assertIn("3 of 3", self.check("witness")[1])
        self.assertEqual(self.count("#rounds tbody tr"), 4)
        rows = self.text("#rounds tbody").splitlines()
        self.assertTrue(any("hospital-a, hospital-c" in row for row in rows), rows)
        self.assertEqual(self.count("#chart svg circle"), 3)
        self.assertEqual(self.count("#chart svg .aborted"), 1)
        self.assertEqual(self.count("#members tbody tr"), 3)
        self.assertFalse(self.page.run("document.getElementById('how').checkVisibility()"))

    def test_nothing_from_elsewhere(self):
        make_ledger().write(self.folder)
        self.open()
        for url in self.page.requests():
            own = f"http://127.0.0.1:{self.port}/"
            self.assertTrue(url.startswith((own, "about:", "blob:")), url)

    def test_more_than_one_tile(self):
        ledger = make_ledger(rounds=300)
        ledger.write(self.folder)
        self.assertEqual(self.open(), "good")
        self.assertEqual(self.count("#rounds tbody tr"), 300)

    def test_an_export_with_its_log_in_a_folder(self):
        (self.folder / "log").mkdir()
        make_ledger().write(self.folder / "log")
        self.assertEqual(self.open(), "good")

    def test_what_to_do_from_a_file(self):
        make_ledger().write(self.folder)
        self.page.open((self.folder / "ledger.html").as_uri())
        self.page.wait("location.protocol === 'file:' && document.readyState === 'complete'")
        self.assertIn("This page needs a web server", self.text())
        self.assertIn("python3 -m http.server", self.text())
        self.assertEqual(self.page.run(VERDICT), "waiting")

    def test_light_and_dark(self):
        make_ledger().write(self.folder)
        self.open()
        colours = []
        for scheme in ("light", "dark"):
            self.page.call("Emulation.setEmulatedMedia",
                           features=[{"name": "prefers-color-scheme", "value": scheme}])
            colours.append(self.page.run("getComputedStyle(document.body).backgroundColor"))
        self.assertNotEqual(*colours)

    def test_that_no_log_is_here(self):
        self.assertEqual(self.open(), "bad")
        self.assertIn("no checkpoint", self.text("#verdict"))


class Refuses(PageTest):
    def expect_bad(self, *words):
        self.assertEqual(self.open(), "bad")
        self.assertEqual(self.text("#verdict h2"), "This ledger does not verify")
        for word in words:
            self.assertIn(word, self.text("#verdict"))

    def test_a_changed_byte_of_each_file(self):
        ledger = make_ledger(rounds=130)
        ledger.write(self.folder)
        files = [path for path in self.folder.rglob("*") if "tile" in path.parts and path.is_file()]
        self.assertEqual(len(files), 5)
        for path in files:
            good = path.read_bytes()
            for at in (0, len(good) // 2, len(good) - 1):
                changed = bytearray(good)
                changed[at] ^= 1
                path.write_bytes(changed)
                self.assertEqual(self.open(), "bad", f"{path.name} at {at}")
            path.write_bytes(good)
        self.assertEqual(self.open(), "good")

    def test_a_changed_byte_of_the_checkpoint(self):
        ledger = make_ledger()
        ledger.write(self.folder)
        path = self.folder / "checkpoint"
        good = path.read_bytes()
        end = good.index(b"\n", good.index("\u2014".encode()))
        for at in range(0, end, 9):
            changed = bytearray(good)
            changed[at] ^= 1
            path.write_bytes(changed)
            self.assertEqual(self.open(), "bad", f"byte {at}")

    def test_a_cosignature_that_does_not_verify(self):
        ledger = make_ledger()
        ledger.write(self.folder)
        text = ledger.checkpoint(cosigners=["hospital-a"]).decode()
        other = ledger.witnesses["hospital-b"].cosign("another text\n", ledger.time_s)
        (self.folder / "checkpoint").write_text(text + other, encoding="utf-8")
        self.expect_bad("hospital-b", "does not verify")

    def test_a_cosignature_that_comes_twice(self):
        ledger = make_ledger()
        ledger.write(self.folder)
        text = ledger.checkpoint(cosigners=["hospital-a", "hospital-a"])
        (self.folder / "checkpoint").write_bytes(text)
        self.expect_bad("two signatures")

    def test_an_entry_of_another_signer(self):
        ledger = make_ledger()
        ledger.entries[-1] = ledger.sign({"type": "leave", "member": "hospital-a", "round": 1,
                                          "reason": "withdrawn"},
                                         signer=ledger.site_keys["hospital-b"], by="hospital-a")
        ledger.write(self.folder)
        self.expect_bad("Entry 9", "not the one of hospital-a")

    def test_a_round_that_a_site_closes(self):
        ledger = make_ledger()
        signed = ("v", "by", "key", "t", "sig")
        close = {k: v for k, v in json.loads(ledger.entries[-1]).items() if k not in signed}
        ledger.entries[-1] = ledger.sign(close, ledger.site_keys["hospital-a"], "hospital-a")
        ledger.write(self.folder)
        self.expect_bad("Entry 9", "hospital-a may not sign a round-close")

    def test_an_entry_of_another_log(self):
        ledger = make_ledger()
        other = Ledger("elsewhere.example/ledger", SITES)
        ledger.entries.append(other.sign({"type": "incident", "kind": "fork", "round": 1,
                                          "about": "server", "evidence": "0" * 64}))
        ledger.write(self.folder)
        self.expect_bad("Entry 10", "signature does not verify")

    def test_an_entry_that_is_not_canonical(self):
        ledger = make_ledger()
        ledger.entries[-1] = ledger.entries[-1].replace(b'{"', b'{ "', 1)
        ledger.write(self.folder)
        self.expect_bad("Entry 9", "not canonical")

    def test_broken_links_of_rounds(self):
        for changed in ({"prev": "0" * 64}, {"open": "0" * 64}, {"base_model": "0" * 64},
                        {"round": 7}, {"cohort": {"items": ["hospital-a"], "n": 1}},
                        {"status": "aborted", "model": "1" * 64}):
            with self.subTest(changed):
                ledger = make_ledger(rounds=1)
                ledger.round(**changed)
                ledger.write(self.folder)
                self.expect_bad("Entry 7", "round-close")

    def test_a_fork_and_a_rollback_seen_by_a_second_visit(self):
        make_ledger(rounds=3).write(self.folder)
        self.assertEqual(self.open(), "good")
        make_ledger(rounds=4).write(self.folder)
        self.assertEqual(self.open(), "good")
        self.assertIn("continues the log of 10 entries", self.check("memory")[1])
        for rounds, time_s in ((3, 1767000000), (4, 1767000001), (5, 1767000001)):
            make_ledger(rounds=rounds, time_s=time_s).write(self.folder)
            self.expect_bad("Not the log that this browser saw")
            self.assertEqual(self.count("#verdict .actions a[download]"), 2)
        make_ledger(rounds=4).write(self.folder)
        self.assertEqual(self.open(), "good")

    def test_another_key_at_a_second_visit(self):
        make_ledger().write(self.folder)
        self.assertEqual(self.open(), "good")
        other = Ledger(ORIGIN, SITES)
        other.log_key = Key(ORIGIN, seed="another key of the log")
        other.start()
        other.write(self.folder)
        self.expect_bad("another key of the log")


class SaysWhatItCannot(PageTest):
    def test_without_ed25519(self):
        make_ledger().write(self.folder)
        self.page.before_load(NO_ED25519)
        self.assertEqual(self.open(), "part")
        self.assertEqual(self.check("sign")[0], "open")
        self.assertIn("no Ed25519", self.check("sign")[1])
        self.assertEqual(self.check("tree")[0], "good")
        self.assertNotIn("All checks", self.text("#verdict"))

    def test_without_ed25519_a_changed_entry_is_noticed(self):
        ledger = make_ledger()
        ledger.write(self.folder)
        bundle = next((self.folder / "tile/entries").rglob("10"))
        bundle.write_bytes(bundle.read_bytes().replace(b"hospital-a", b"hospital-x"))
        self.page.before_load(NO_ED25519)
        self.assertEqual(self.open(), "bad")

    def test_without_webcrypto(self):
        make_ledger().write(self.folder)
        self.assertEqual(self.open(host="ledger.test"), "none")
        self.assertIn("nothing was checked", self.check("tree")[1])
        self.assertEqual(self.text("#verdict h2"), "Nothing was checked")
        self.assertEqual(self.count("#rounds tbody tr"), 3)


class Proofs(PageTest):
    def answer(self, what, text):
        """Class and text of the answer to a file; each has another name, as for a browser the same
        name is no change."""
        selector, self.files = f"#{what}-answer", getattr(self, "files", 0) + 1
        path = self.folder.parent / f"{self.files}.{what}"
        path.write_text(text, encoding="utf-8")
        self.page.run(f"document.querySelector('{selector}').textContent = ''")
        self.page.choose_file(f"#{what}-file", path)
        self.page.wait(f"document.querySelector('{selector}').textContent !== ''")
        return self.page.run(f"[document.querySelector('{selector}').className, "
                             f"document.querySelector('{selector}').innerText]")

    def test_of_each_round_verify_elsewhere(self):
        ledger = make_ledger(rounds=130)
        ledger.write(self.folder)
        self.open()
        self.page.run("document.querySelector('[data-proof=\"105\"] button').click()")
        self.page.wait("document.querySelector('[data-proof=\"105\"] a')")
        self.assertIn("verified", self.text('[data-proof="105"]'))
        self.assertEqual(verified_entry(self.saved(105), ledger), ledger.entries[105])

    def saved(self, index):
        # connect-src does not allow the link's blob:, so this asks for the same bytes again.
        return self.page.run(
            "(async () => { const { Log } = await import('/ledger/log.js');"
            "const log = new Log(location.origin + '/'); await log.load();"
            f"return new TextDecoder().decode(await log.prove({index})); }})()")

    def test_of_a_file_good_and_changed(self):
        ledger = make_ledger()
        ledger.write(self.folder)
        self.open()
        text = self.saved(5)
        self.assertEqual(self.answer("proof", text)[0], "good")
        lines = text.split("\n")
        for changed in (text.replace("index 5", "index 4"), text.replace("index 5", "index 05"),
                        text.replace(lines[4], lines[3]), text.replace("extra e", "extra f"),
                        "\n".join(lines[:4] + lines[5:]), text[:-40], "nonsense"):
            answer = self.answer("proof", changed)
            self.assertEqual(answer[0], "bad", answer)

    def test_of_an_older_checkpoint(self):
        old = make_ledger(rounds=2)
        old.write(self.folder)
        self.open()
        text = self.saved(5)
        make_ledger(rounds=6).write(self.folder)
        self.open()
        self.assertEqual(self.answer("proof", text)[0], "good")
        other = make_ledger(rounds=2, time_s=1767000001)  # a fork, signed by the log's key
        shutil.rmtree(self.folder / "tile")
        other.write(self.folder)
        forked = self.saved(5)
        shutil.rmtree(self.folder / "tile")
        make_ledger(rounds=6).write(self.folder)
        self.open()
        answer = self.answer("proof", forked)
        self.assertEqual(answer[0], "bad", answer)

    def test_a_policy_counts_cosignatures(self):
        ledger = make_ledger()
        ledger.write(self.folder, cosigners=SITES[:2])
        self.open()
        for k, state in ((2, "good"), (3, "bad")):
            answer = self.answer("policy", ledger.policy(k))
            self.assertEqual(answer[0], state, answer)
            self.assertEqual(self.page.run(VERDICT), state)
        self.assertEqual(
            self.answer("policy", ledger.policy(2).replace("quorum g", "quorum h"))[0], "bad")

    def test_the_policy_beside_the_page(self):
        ledger = make_ledger()
        ledger.write(self.folder, cosigners=SITES[:2])
        (self.folder / "policy").write_text(ledger.policy(2), encoding="utf-8")
        self.assertEqual(self.open(), "good")
        self.assertIn("2 of 3 witnesses", self.check("policy")[1])
        (self.folder / "policy").write_text(ledger.policy(3), encoding="utf-8")
        self.assertEqual(self.open(), "bad")


HOSTILE = ['<img src=x onerror="pwned=1">', '"><script>pwned=1</script>', "javascript:pwned=1",
           "</td></table><h1>x", "{{constructor.constructor('pwned=1')()}}", "a\u202eevil\u2066b",
           "\u2028x", "__proto__", "<svg onload=pwned=1>", "&lt;b&gt;"]


class Injection(PageTest):
    def expect_text_only(self):
        self.assertIsNone(self.page.run("globalThis.pwned ?? null"))
        self.assertEqual(self.count("script"), 1)
        self.assertEqual(self.count("img, iframe, object, embed, form, base, h1 ~ h1, td h1"), 0)
        self.assertEqual(self.page.run(
            "[...document.querySelectorAll('*')].flatMap((node) => [...node.attributes])"
            ".filter((a) => a.name.startsWith('on') || /^javascript:/i.test(a.value)).length"), 0)
        self.assertEqual(self.page.run("({}).polluted ?? null"), None)

    def test_names_of_sites_and_studies_stay_text(self):
        for hostile in HOSTILE:
            with self.subTest(hostile):
                ledger = make_ledger(sites=[*HOSTILE, "hospital-a"], study=hostile)
                ledger.round(rule={"name": hostile, "params": "0" * 64}, dp={
                    "unit": hostile, "mechanism": hostile, "epsilon": hostile, "delta": hostile,
                    "accountant": hostile})
                ledger.add({"type": hostile, "study": hostile, "polluted": hostile})
                ledger.write(self.folder)
                self.open()
                self.expect_text_only()
                shown = self.text("#members")
                for name in (HOSTILE[0], HOSTILE[1], HOSTILE[8], HOSTILE[9]):
                    self.assertIn(name, shown)
                self.assertNotIn("\u202e", self.text())
                self.assertIn("a\\u{202e}evil", shown)

    def test_values_of_other_kinds_do_not_break_the_page(self):
        for value in (7, [1, [2]], {"toString": "x"}, {"__proto__": {"polluted": 1}}, True):
            with self.subTest(value):
                ledger = make_ledger(rounds=1)
                ledger.round(cohort=value, dropped=value, metrics=value, dp=value, rule=value)
                ledger.write(self.folder)
                self.assertEqual(self.open(), "bad")
                self.expect_text_only()
                self.assertEqual(self.count("#rounds tbody tr"), 2)

    def test_files_that_are_no_log(self):
        for text in ("<script>pwned=1</script>", "<b>\n1\nx\n\n\u2014 <img> x\n", "\0", ""):
            (self.folder / "checkpoint").write_text(text, encoding="utf-8")
            self.assertEqual(self.open(), "bad", text)
            self.expect_text_only()

    def test_the_policy_stops_inline_code(self):
        make_ledger().write(self.folder)
        self.open()
        self.assertIn("Error", self.page.run(
            "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; }"
            "catch (error) { return String(error); } })()"))


class Sources(unittest.TestCase):
    def test_have_no_way_from_text_to_markup(self):
        for path in sorted((OPTIONS.source / "web").rglob("*.*")):
            text = path.read_text(encoding="utf-8")
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                         "new Function", "setTimeout(\"", "DOMParser", "srcdoc", "style=\""):
                self.assertNotIn(word, text, path.name)
            if path.suffix == ".html":
                self.assertNotIn("http-equiv=\"refresh", text)
                self.assertNotRegex(text, r"<script(?![^>]*\bsrc=)")
                self.assertNotRegex(text, r"""(src|href)=["']?(https?:)?//""")
            self.assertLessEqual(len(text.splitlines()), 500, path.name)


class Vectors(PageTest):
    def test_of_others_hold_in_the_browser(self):
        shutil.copy(OPTIONS.source / "tests/web/vectors.js", self.folder)
        shutil.copytree(OPTIONS.source / "tests/vectors/ledger", self.folder / "vectors")
        make_ledger().write(self.folder)
        self.open()
        result = self.page.run(
            "import('/vectors.js').then(({ run }) => run('/ledger/', (name) =>"
            "fetch(`/vectors/${name}`).then((answer) => answer.json())))")
        self.assertEqual(result["faults"], [])
        self.assertGreater(result["run"], 300)


class Export(PageTest):
    def test_of_the_program_verifies(self):
        if OPTIONS.bin is None:
            self.skipTest("without --bin there is no hilum-ledger to ask")
        shutil.rmtree(self.folder)
        done = subprocess.run(
            [OPTIONS.bin / "hilum-ledger", "export", "--html", "--from", OPTIONS.log, "--out",
             self.folder], capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ledger.html", done.stdout)
        self.assertEqual(self.open(), "good")
        self.assertIn("600 entries", self.text("#summary"))
        for path in (OPTIONS.source / "web").rglob("*.*"):
            copy = self.folder / path.relative_to(OPTIONS.source / "web")
            self.assertEqual(copy.read_bytes(), path.read_bytes())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--bin", type=Path)
    parser.add_argument("--log", type=Path)
    OPTIONS = parser.parse_args()
    sys.argv = sys.argv[:1]
    unittest.main(verbosity=2)
