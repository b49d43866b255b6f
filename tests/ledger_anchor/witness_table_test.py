"""The status table of C2SP tlog-witness (pinned text, docs/ledger.md 2.9), step by step, asked of
`hilum-ledger witness` over HTTP. Log, requests and proofs are made by tests/web/make_ledger.py and
the recursion of RFC 6962, and answers are checked with Python's `cryptography`: no line of Hilum
judges itself.

Usage: witness_table_test.py --bin FOLDER
"""
import argparse
import base64
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "web"))

import witness_cli_test  # noqa: E402  the program in a folder, and how to ask it
from make_ledger import Key, Ledger, b64, leaf_hash, sha256, tree_hash  # noqa: E402

ORIGIN = "fl.example/ledger"
NAME = "w.example/witness"
SIZE = 5  # cosigned before the table begins


def consistency(old, leaves, whole=True):
    """PROOF of RFC 6962, section 2.1.2, as it stands there."""
    if old == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if old <= k:
        return consistency(old, leaves[:k], whole) + [tree_hash(leaves[k:])]
    return consistency(old - k, leaves[k:], False) + [tree_hash(leaves[:k])]


def text_of(origin, size, root):
    return f"{origin}\n{size}\n{b64(root)}\n"


class Table(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Ledger(ORIGIN, ["a", "b"])
        self.log.start()
        for _ in range(4):
            self.log.round()
        self.leaves = [leaf_hash(entry) for entry in self.log.entries]
        self.folder = Path(folder.name) / "w"
        made = witness_cli_test.ledger("witness", "--dir", self.folder, "--create", NAME)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.vkey = made.stdout.strip()
        self.witness = witness_cli_test.Witness(self.folder, self.log.log_key.vkey)
        self.start()
        self.assertEqual(self.ask(0, SIZE)[0], 200)

    def start(self):
        self.witness.start()
        self.addCleanup(lambda: self.witness.process.poll() is None and self.witness.end(9))

    def note(self, size, root=None, origin=ORIGIN, key=None):
        """A signed checkpoint; of the log as it is, unless told otherwise."""
        text = text_of(origin, size, tree_hash(self.leaves[:size]) if root is None else root)
        return text + "\n" + (key or self.log.log_key).sign_note(text)

    def body(self, old, note, proof=()):
        return "".join([f"old {old}\n", *(b64(h) + "\n" for h in proof), "\n", note])

    def ask(self, old, size, proof=None, note=None):
        if proof is None:
            proof = consistency(old, self.leaves[:size]) if 0 < old <= size else []
        return self.witness.post(self.body(old, note or self.note(size), proof))

    def expect(self, status, body):
        answer = self.witness.post(body)
        self.assertEqual(answer[0], status, f"{body[:200]!r}: {answer}")
        return answer

    def broken(self, size):
        """The right key's line with another signature, in canonical base64."""
        text, line = self.note(size).split("\n\n")
        words = line.rstrip("\n").split(" ")
        blob = bytearray(base64.b64decode(words[2]))
        blob[20] ^= 1
        return f"{text}\n\n{words[0]} {words[1]} {b64(bytes(blob))}\n"

    def test_step_1_what_does_not_parse_is_400(self):
        good = self.note(7)
        path = [b64(h) for h in consistency(SIZE, self.leaves[:7])]
        head = f"old {SIZE}\n" + "".join(line + "\n" for line in path)
        short = b64(base64.b64decode(path[0])[:31])
        extended = text_of(ORIGIN, 7, tree_hash(self.leaves[:7])) + "an extension\n"
        for body in ("", "\n", "old\n\n" + good, f"old 0{SIZE}\n\n" + good, "old -1\n\n" + good,
                     f"old {2 ** 63}\n\n" + good, f"size {SIZE}\n\n" + good, head + good,
                     f"old {SIZE}\n{short}\n\n" + good, f"old {SIZE}\n{path[0]} \n\n" + good,
                     f"old {SIZE}\r\n\n" + good,
                     f"old {SIZE}\n" + (path[0] + "\n") * 64 + "\n" + good,
                     head + "\n", head + "\n" + good.split("\n\n")[0] + "\n",
                     head + "\n" + good.replace("\n7\n", "\n07\n"),
                     head + "\n" + extended + "\n" + self.log.log_key.sign_note(extended)):
            self.expect(400, body)
        self.expect(413, "old 0\n\n" + "x" * (256 * 1024))

    def test_step_2_another_log_is_404(self):
        other = Key("other.example/ledger")
        note = self.note(7, origin="other.example/ledger", key=other)
        self.expect(404, self.body(SIZE, note))

    def test_step_3_what_the_logs_key_did_not_sign_is_403(self):
        stranger = Key(ORIGIN, seed="a stranger who takes the log's name")
        good = self.note(7)
        line = good.split("\n\n")[1]
        for note in (self.note(7, key=stranger), self.broken(7), good + line,
                     good.split("\n\n")[0] + "\n\n" + self.broken(7).split("\n\n")[1] + line):
            self.expect(403, self.body(SIZE, note, consistency(SIZE, self.leaves[:7])))
        # A line of a key that the witness does not know means nothing.
        extra = good + stranger.sign_note(good.split("\n\n")[0] + "\n")
        self.expect(200, self.body(SIZE, extra, consistency(SIZE, self.leaves[:7])))

    def test_step_4_an_old_size_above_the_checkpoints_is_400(self):
        self.expect(400, self.body(8, self.note(7)))

    def test_step_5_another_old_size_is_409_with_the_right_one(self):
        for old in (0, 3, 6):
            status, body, kind = self.ask(old, 7)
            self.assertEqual((status, body, kind), (409, f"{SIZE}\n", "text/x.tlog.size"))

    def test_step_6_what_does_not_continue_is_422(self):
        proof = consistency(SIZE, self.leaves[:7])
        wrong = [sha256(b"x"), *proof[1:]]
        fork = tree_hash([sha256(b"another entry"), *self.leaves[1:SIZE]])
        for body in (self.body(SIZE, self.note(7), wrong), self.body(SIZE, self.note(7), proof[1:]),
                     self.body(SIZE, self.note(7), [*proof, sha256(b"x")]),
                     self.body(SIZE, self.note(7)),
                     self.body(SIZE, self.note(7, root=sha256(b"y")), proof),
                     self.body(SIZE, self.note(SIZE), proof),
                     self.body(SIZE, self.note(SIZE, root=fork))):
            self.expect(422, body)
        done = witness_cli_test.ledger("witness", "--dir", self.folder, "--evidence", "--json")
        self.assertIn(b64(fork), done.stdout, "two roots for one size are kept as evidence")

    def test_step_6_from_nothing(self):
        folder = self.folder.parent / "fresh"
        witness_cli_test.ledger("witness", "--dir", folder, "--create", "fresh.example")
        self.witness.end(9)
        self.witness = witness_cli_test.Witness(folder, self.log.log_key.vkey)
        self.start()
        self.expect(422, self.body(0, self.note(3), [sha256(b"x")]))
        self.expect(422, self.body(0, self.note(0, root=sha256(b"not the empty tree"))))
        self.expect(200, self.body(0, self.note(0, root=sha256(b""))))
        self.expect(200, self.body(0, self.note(3)))
        self.expect(409, self.body(0, self.note(3)))

    def test_step_7_what_was_cosigned_is_known_after_a_kill(self):
        self.assertEqual(self.ask(SIZE, 7)[0], 200)
        self.witness.end(9)
        self.start()
        self.assertEqual(self.ask(SIZE, 7)[:2], (409, "7\n"))

    def test_step_7_overlapping_requests_never_go_back(self):
        sizes = [6, 7, 8, 9, 10, 11] * 3
        with ThreadPoolExecutor(len(sizes)) as pool:
            statuses = list(pool.map(lambda size: self.ask(SIZE, size)[0], sizes))
        self.assertEqual(statuses.count(200), 1, statuses)
        self.assertEqual(statuses.count(409), len(sizes) - 1, statuses)
        size = sizes[statuses.index(200)]
        self.assertEqual(self.ask(SIZE, 6)[:2], (409, f"{size}\n"))

    def test_step_8_the_cosignature_verifies_by_other_hands(self):
        before = int(time.time())
        status, body, _ = self.ask(SIZE, 7)
        self.assertEqual(status, 200)
        dash, name, encoded = body.rstrip("\n").split(" ")
        blob = base64.b64decode(encoded)
        self.assertEqual((dash, name, len(blob)), ("\u2014", NAME, 76))
        typed = base64.b64decode(self.vkey.split("+", 2)[2])
        self.assertEqual(blob[:4], sha256(NAME.encode() + b"\n" + typed)[:4])
        time_s = int.from_bytes(blob[4:12], "big")
        self.assertTrue(before <= time_s <= time.time() + 1)
        text = text_of(ORIGIN, 7, tree_hash(self.leaves[:7]))
        verify = self.public_key(typed).verify
        verify(blob[12:], f"cosignature/v1\ntime {time_s}\n{text}".encode())
        with self.assertRaises(InvalidSignature):
            verify(blob[12:], f"cosignature/v1\ntime {time_s + 1}\n{text}".encode())
        self.assertEqual(self.witness.monitor(), self.note(7) + body)
        self.assertEqual(self.ask(7, 7)[0], 200, "the same checkpoint again")

    def public_key(self, typed):
        self.assertEqual(typed[0], 4)
        return Ed25519PublicKey.from_public_bytes(typed[1:])

    def test_the_first_failing_step_answers(self):
        other = Key("other.example/ledger")
        unsigned = self.note(7, key=Key(ORIGIN, seed="a stranger"))
        self.expect(400, "old 09\n\n" + self.note(7, origin=other.name, key=other))  # 1 before 2
        broken = self.note(7, origin="other.example/ledger", key=Key("other.example/ledger",
                                                                     seed="not its key"))
        self.expect(404, self.body(8, broken))  # 2 before 3 and 4
        self.expect(403, self.body(8, unsigned))  # 3 before 4
        self.expect(400, self.body(8, self.note(7), [sha256(b"x")]))  # 4 before 5 and 6
        self.expect(409, self.body(3, self.note(7), [sha256(b"x")]))  # 5 before 6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    witness_cli_test.OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
