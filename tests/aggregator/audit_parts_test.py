"""The parts of docs/audit, without a round: what they compute, and which bytes they refuse."""
import json
import math
import struct
import sys
import types
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs/audit"))
# pylint: disable=wrong-import-position
import numpy as np  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

import audit  # noqa: E402
import entries  # noqa: E402
import evidence  # noqa: E402
import ledger  # noqa: E402
import masked  # noqa: E402
import model  # noqa: E402
import wire  # noqa: E402


def vectors(name):
    lines = (ROOT / "tests/vectors/privacy" / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" = ") for line in lines if " = " in line)
    return {key: bytes.fromhex(value) for key, value in pairs}


class Encodings(unittest.TestCase):
    def test_canonical_json_has_one_spelling(self):
        self.assertEqual(wire.parse_canonical(b'{"a":[1,"x"],"b":true}', "it", 99)["b"], True)
        for text in (b'{"a": 1}', b'{"b":1,"a":1}', b'{"a":1,"a":1}', b'{"a":1.5}', b'{"a":-1}',
                     b'{"a":null}', b'{"A":1}', b'{"a":9007199254740992}', b'{"a":"\\u0041"}',
                     b'{"a":"\\n"}', b'{"a":01}', b'[1]', b'{"a":1}\n', b'{"a":"\xff"}', b'',
                     b'{"a":"\\ud800"}', b'{"a":' + b"[" * 20 + b"]" * 20 + b"}",
                     b"[" * 100_000, b'{"a":1e3}', b'{"a":NaN}'):
            with self.assertRaises(wire.Wrong, msg=text[:30]):
                wire.parse_canonical(text, "it", 200_000)
        with self.assertRaises(wire.Wrong):
            wire.parse_canonical(b'{"a":1}', "it", 6)

    def test_base64_has_one_spelling(self):
        self.assertEqual(wire.decode64("AAE=", "it"), b"\0\1")
        for text in ("AAE", "AAF=", "AA E=", "AAE=\n", "AA-_", "\u00e9"):
            with self.assertRaises(wire.Wrong, msg=text):
                wire.decode64(text, "it")

    def test_packed_words_have_one_spelling(self):
        for b in (16, 17, 25, 31, 32):
            words = [(j * 0x9E3779B9) % (1 << b) for j in range(333)]
            whole = sum(word << (b * j) for j, word in enumerate(words))
            packed = bytearray(whole.to_bytes((333 * b + 7) // 8, "little"))
            self.assertEqual(evidence.unpack(packed, 333, b, "it").tolist(), words)
            if 333 * b % 8:
                packed[-1] |= 0x80
                with self.assertRaises(wire.Wrong):
                    evidence.unpack(packed, 333, b, "it")

    def test_lists_are_ascending_and_whole(self):
        good = struct.pack(">IHH", 2, 3, 7)
        reader = wire.Reader(good, "it")
        self.assertEqual(list(reader.list(lambda: None)), [3, 7])
        reader.finish()
        for data in (struct.pack(">IHH", 2, 7, 3), struct.pack(">IHH", 2, 3, 3), good[:-1],
                     struct.pack(">I", 1001), struct.pack(">I", 2**32 - 1)):
            with self.assertRaises(wire.Wrong):
                wire.Reader(data, "it").list(lambda: None)

    def test_the_tree_is_that_of_rfc_6962(self):
        def slow(leaves):
            if len(leaves) == 1:
                return leaves[0]
            k = 1 << (len(leaves) - 1).bit_length() - 1
            return wire.sha256(b"\1" + slow(leaves[:k]) + slow(leaves[k:]))
        for n in range(1, 40):
            leaves = [wire.leaf_hash(bytes([i])) for i in range(n)]
            self.assertEqual(wire.tree_root(leaves), slow(leaves))
        self.assertEqual(wire.tree_root([]), wire.sha256(b""))

    def test_keys_are_points_of_the_large_group(self):
        self.assertTrue(wire.is_good_key(bytes.fromhex(
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")))
        small = ("0100000000000000000000000000000000000000000000000000000000000000",
                 "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                 "0000000000000000000000000000000000000000000000000000000000000000",
                 "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                 "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                 "0200000000000000000000000000000000000000000000000000000000000000")
        for key in small:
            self.assertFalse(wire.is_good_key(bytes.fromhex(key)), key)

    def test_decimals_are_the_shortest(self):
        for value, text in ((1.0, "1"), (0.5, "0.5"), (1e-7, "0.0000001"), (0.1, "0.1"),
                            (1e16, "10000000000000000"), (2 / 3, "0.6666666666666666")):
            self.assertEqual(evidence.shortest_decimal(value), text)


def with_other_values(value):
    """`value` with each of its parts replaced by something of another kind."""
    yield from (None, True, 0, -1, 2**53, 1.5, "", "x", [], {}, [[]], {"n": 1})
    if isinstance(value, dict):
        for key, part in value.items():
            for other in with_other_values(part):
                yield value | {key: other}
    elif isinstance(value, list):
        for i, part in enumerate(value):
            for other in with_other_values(part):
                yield value[:i] + [other] + value[i + 1:]


class Hostile(unittest.TestCase):
    """Whatever the bytes are: they are read, or they are Wrong; no other exception leaves."""

    PAGE = (ROOT / "docs/wire.md").read_text(encoding="utf-8")

    def attempt(self, read, value):
        try:
            read(json.dumps(value, sort_keys=True, separators=(",", ":"),
                            ensure_ascii=False).encode())
        except wire.Wrong:
            pass

    def test_plans(self):
        for fence in ("```json\n", "```masked-plan\n"):
            good = self.PAGE.split(fence)[1].split("\n```")[0].encode()
            evidence.read_plan(good)
            for value in with_other_values(json.loads(good)):
                self.attempt(evidence.read_plan, value)

    def test_records(self):
        digest, sig = "ab" * 32, "A" * 86 + "=="
        good = {name: digest for name in evidence.DIGESTS} | {
            "v": 1, "job": "cxr-1", "round": 1, "attempt": 0, "transcript": "AAAA",
            "transcript_sig": sig, "dropped": [1],
            "updates": [{"index": 0, "root": digest, "sig": sig, "object": digest}],
            "optimiser": {"before": digest, "after": digest},
            "secagg": {name: "AAAA" for name in evidence.MESSAGES} | {"sum_object": digest}}

        def read(data):
            return evidence.read_record(data, "cxr-1", 1)
        self.assertEqual(read(wire.canonical(good)).dropped, [1])
        for value in with_other_values(good):
            self.attempt(read, value)

    def test_entries(self):
        digest, sig, names = "ab" * 32, "A" * 86 + "==", {"items": ["site-a"], "n": 1}
        head = {"v": 1, "by": "aggregator", "key": digest, "t": 1, "sig": sig, "study": "cxr-1"}
        secagg = {"suite": 0, "cfg": digest, "transcript": digest, "evidence": digest}
        metric = {"name": "train_loss", "value": "0.5", "n": 1}
        opened = {"type": "round-open", "round": 1, "prev": digest, "base_model": digest,
                  "cfg": digest, "build": digest, "cohort": names, "deadline": 1, "consent": {
                      "size": 1, "root": digest, "sites": {"n": 1, "items": [
                          {"site": "site-a", "active_root": digest, "batch": digest}]}}}
        closed = {"type": "round-close", "round": 1, "prev": digest, "open": digest,
                  "status": "ok", "base_model": digest, "model": digest, "object": digest,
                  "cohort": names, "updates": {"n": 1, "root": digest},
                  "dropped": {"n": 65, "annex": digest}, "rule": {"name": "x", "params": digest},
                  "secagg": secagg, "build": digest, "metrics": {"n": 1, "items": [metric]},
                  "dp": {"unit": "silo", "mechanism": "none", "epsilon": "1", "delta": "0",
                         "accountant": "rdp"}}
        for good in (head | opened, head | closed):
            self.assertEqual(entries.parse_entry(1, wire.canonical(good)).type, good["type"])
            for value in with_other_values(good):
                self.attempt(lambda data: entries.parse_entry(1, data), value)

    def test_bodies(self):
        body = vectors("secagg.txt")["round_opening"]
        for at in range(len(body)):
            for bit in (1, 128):
                changed = bytearray(body)
                changed[at] ^= bit
                try:
                    masked.read_opening(bytes(changed))
                except wire.Wrong:
                    pass


class Log(unittest.TestCase):
    def test_tile_paths(self):
        self.assertEqual(ledger.tile_path("entries", 1234067, 256), "tile/entries/x001/x234/067")
        self.assertEqual(ledger.tile_path(0, 273, 112), "tile/0/273.p/112")

    def test_the_example_of_the_ledgers_page(self):
        page = (ROOT / "docs/ledger.md").read_text(encoding="utf-8")
        line = next(x for x in page.splitlines() if x.startswith('{"by":"site-a"'))
        entry = entries.parse_entry(7, line.encode())
        self.assertEqual(entry.leaf.hex(),
                         "7804cdc39e8fa3d54995b5d248888edf14fe935c2a23b1909fce77b602b9b928")
        key = Ed25519PrivateKey.from_private_bytes(b"\x21" * 32).public_key().public_bytes_raw()
        self.assertTrue(entries.is_entry_signed(entry, "fl.example/ledger", key))
        self.assertFalse(entries.is_entry_signed(entry, "fl.example2/ledger", key))

    def test_unknown_fields_and_types_are_refused(self):
        page = (ROOT / "docs/ledger.md").read_text(encoding="utf-8")
        raw = json.loads(next(x for x in page.splitlines() if x.startswith('{"by":"site-a"')))
        for change in ({"note": "x"}, {"type": "party"}, {"v": 2}, {"member": "Site A"}):
            with self.assertRaises(wire.Wrong, msg=change):
                entries.parse_entry(7, wire.canonical(raw | change))
        for missing in set(raw) - {"study"}:  # without it the member leaves the federation
            with self.assertRaises(wire.Wrong, msg=missing):
                entries.parse_entry(7, wire.canonical(
                    {k: v for k, v in raw.items() if k != missing}))

    def test_notes(self):
        good = "log\n1\nAAAA\n\n\u2014 log AAAAAAA=\n".encode()
        self.assertEqual(ledger.parse_note(good)[0], "log\n1\nAAAA\n")
        for bad in (b"", b"log\n", good[:-1], good.replace(b"AAAAAAA=", b"AAAA"),
                    good.replace("\u2014".encode(), b"-"), good.replace(b"1\n", b"1\r\n"),
                    good + b"x", b"a\n\n" + "\u2014 log AAAAAAA=\n".encode() * 101, b"\xff" * 9):
            with self.assertRaises(wire.Wrong, msg=bad[:40]):
                ledger.parse_note(bad)
        for text in ("log\n01\nAAAA\n", "log\n-1\nAAAA\n", "log\n0\nAAAA\n", "log\n1\n",
                     "\n1\nx\n"):
            with self.assertRaises(wire.Wrong, msg=text):
                ledger.parse_checkpoint(text)


class Masks(unittest.TestCase):
    # docs/secure_aggregation.md, section 4: members -> (k, t, m) at 20 % corrupt and 20 % dropped.
    TABLE = {128: (104, 27, 27), 150: (114, 31, 30), 200: (136, 41, 36), 256: (152, 52, 40),
             300: (162, 59, 43), 400: (182, 69, 48), 500: (194, 75, 51)}

    def test_drop_outs_that_cut_the_ring_are_refused(self):
        config = types.SimpleNamespace(c_max=100)
        graph = masked.Graph(list(range(500)), 194, bytes(32))
        masked.check_runs(graph, set(range(500)), config)
        for kept, is_enough in ((51, True), (50, False)):
            for first in (0, 450):  # the second run goes over the end of the list
                run = [graph.ring[(first + d) % 500] for d in range(97)]
                u3 = set(range(500)) - set(run[kept:])
                if is_enough:
                    masked.check_runs(graph, u3, config)
                else:
                    with self.assertRaisesRegex(wire.Wrong, "50 sent vectors, 51 are needed"):
                        masked.check_runs(graph, u3, config)

    def test_bounds_of_the_graph(self):
        for n, (k, t, m) in self.TABLE.items():
            c = u = round(n / 5)
            self.assertEqual(masked.run_minimum(n, c, k), m)
            self.assertTrue(masked.bounds_hold(n, c, u, k, t), n)
            self.assertFalse(masked.bounds_hold(n, c, u, k, t - 1), n)
            self.assertFalse(any(masked.bounds_hold(n, c, u, k - 2, x) for x in range(2, k)), n)

    def test_hashes_of_the_second_implementation(self):
        v = vectors("secagg.txt")
        self.assertEqual(wire.labelled_hash("r0-list", v["key_list"][:-64]), v["key_list_hash"])
        u2 = wire.Reader(v["u2"], "the list U2")
        u2.list(lambda: None)
        self.assertEqual(len(u2.take(64)), 64)
        self.assertEqual(len(masked.read_opening(v["round_opening"]).b), 2)
        for cut in range(len(v["round_opening"])):
            with self.assertRaises(wire.Wrong):
                masked.read_opening(v["round_opening"][:cut])
        with self.assertRaises(wire.Wrong):
            masked.read_opening(v["round_opening"] + b"\0")

    def test_scalars_and_tags_are_in_range(self):
        order = wire.ORDER.to_bytes(32, "little")
        for data in (struct.pack(">IH", 1, 0) + order + bytes(8),
                     bytes(8) + struct.pack(">IHQQQ", 1, 0, masked.PRIME, 0, 0) + bytes(64)):
            with self.assertRaises(wire.Wrong):
                masked.read_opening(data)

    def test_tags_are_horners_rule(self):
        rng = np.random.default_rng(7)
        words = rng.integers(0, 1 << 32, 1000, dtype=np.uint64)
        points = [masked.PRIME - 1, 12345, 1 << 60]
        expected = [sum(int(w) * pow(p, j, masked.PRIME) for j, w in enumerate(words)) %
                    masked.PRIME for p in points]
        tags = masked.Tags(points, 300)
        for first in range(0, 1000, 300):
            tags.add(words[first:first + 300])
        self.assertEqual(tags.value, expected)
        sums = rng.integers(0, 1 << 48, 1000, dtype=np.uint64)
        expected = [sum(int(w) * pow(p, j, masked.PRIME) for j, w in enumerate(sums)) %
                    masked.PRIME for p in points]
        self.assertEqual(masked.tags_of_sum(sums, tags), expected)
        full = masked.Tags([masked.PRIME - 1, masked.PRIME - 2, 3], 1 << 18)
        full.add(np.full(1 << 18, 0xFFFFFFFF, np.uint64))  # the largest words do not overflow
        n = 1 << 18
        self.assertEqual(full.value[2], 0xFFFFFFFF * (pow(3, n, masked.PRIME) - 1) *
                         pow(2, -1, masked.PRIME) % masked.PRIME)

    def test_keystreams_can_begin_at_any_chunk(self):
        for suite in (1, 2):
            whole = masked.Keystream(suite, b"\7" * 32, 0).bytes(4096)
            self.assertEqual(masked.Keystream(suite, b"\7" * 32, 1024).bytes(64), whole[1024:1088])
        # SP 800-38A has other counters; RFC 8439, appendix A.1, test vector 1: the zero key.
        self.assertEqual(masked.Keystream(2, bytes(32), 0).bytes(8).hex(), "76b8e0ada0f13d90")


class Plans(unittest.TestCase):
    """Strategies and privacy, and what follows from them for cfg and rule."""

    def setUp(self):
        page = (ROOT / "docs/wire.md").read_text(encoding="utf-8")
        self.good = json.loads(page.split("```masked-plan\n")[1].split("\n```")[0])

    def read(self, **change):
        return evidence.read_plan(wire.canonical(self.good | change))

    def test_strategies(self):
        adam = {"name": "fedadam", "server_learning_rate": "0.01", "beta1": "0.9",
                "beta2": "0.99", "tau": "0.001"}
        plan = self.read(strategy=adam)
        self.assertEqual(evidence.rule_digest(plan), wire.sha256(wire.canonical(adam)))
        self.assertEqual(evidence.rule_name(plan), "fedadam")
        krum = {"name": "fedavg", "server_learning_rate": "1", "rule": "krum", "n_faulty": 1,
                "clip_radius": "0"}
        plan = self.read(strategy=krum)
        self.assertEqual(evidence.rule_name(plan), "fedavg-krum")
        self.assertEqual(evidence.rule_digest(plan), wire.sha256(wire.canonical(krum)))
        for bad in (adam | {"name": "fedavg"}, adam | {"tau": "0"}, adam | {"beta1": "1"},
                    krum | {"rule": "mean"}, krum | {"rule": "guess"}, adam | {"note": "x"},
                    {k: v for k, v in adam.items() if k != "tau"}):
            with self.assertRaises(wire.Wrong, msg=bad):
                self.read(strategy=bad)
        with self.assertRaisesRegex(wire.Wrong, "unknown"):
            self.read(noise={})

    def test_what_a_job_spent_stays_spent(self):
        def close(number, epsilon, **change):
            dp = {"unit": "silo", "mechanism": "discrete-gaussian", "accountant": "rdp",
                  "delta": 1e-5, "epsilon": epsilon} | change
            return {"round": number, "dp": dp if epsilon is not None else None}

        def spent(*closes):
            pairs = {c["round"]: (None, types.SimpleNamespace(body=c)) for c in closes}
            return audit.check_spending(pairs, closes[-1])

        self.assertEqual(spent(close(1, 1.0), close(2, 1.5), close(3, 2.0)), 1.5)
        self.assertEqual(spent(close(1, 1.0)), 0.0)
        self.assertEqual(spent(close(1, None), close(2, None)), 0.0)
        for bad in ((close(1, 1.0), close(2, 0.5), close(3, 2.0)),
                    (close(1, 1.0), close(2, 1.5), close(3, 1.2)),
                    (close(1, None), close(2, 1.5)), (close(1, 1.0), close(2, None)),
                    (close(1, 1.0, delta=1e-2), close(2, 1.5)),
                    (close(1, 1.0, unit="record"), close(2, 1.5))):
            with self.assertRaises(wire.Wrong, msg=bad):
                spent(*bad)

    def test_value_bits_leave_room_for_noise(self):
        plan = self.read(privacy={"unit": "silo", "sigma": "1", "delta": "0.00001"})
        n, cohort = 6, evidence.cohort_rule(plan, 6)
        largest = evidence.value_bits(self.read(), n, 1.0, cohort)
        self.assertEqual(largest, 29)
        found = evidence.value_bits(plan, n, 1.0, cohort)
        self.assertLess(found, largest)
        self.assertTrue(evidence.noise_fits(plan, n, 1.0, cohort, found))
        self.assertFalse(evidence.noise_fits(plan, n, 1.0, cohort, found + 1))
        plan["aggregation"]["value_bits"] = largest
        with self.assertRaises(wire.Wrong):
            evidence.value_bits(plan, n, 1.0, cohort)
        for bad in ({"unit": "none", "sigma": "1", "delta": "0.00001"},
                    {"unit": "silo", "sigma": "0.1", "delta": "0.00001"},
                    {"unit": "record", "sigma": "1", "delta": "0.00001"}):
            with self.assertRaises(wire.Wrong, msg=bad):
                self.read(privacy=bad)


class Models(unittest.TestCase):
    PLAN = {"spec": {"architecture": "net"}, "tensors": [("a", [2], 2), ("b", [], 1)],
            "n_params": 3}

    def file(self, text, values=(1.0, 2.0, 3.0)):
        return struct.pack("<Q", len(text)) + text + struct.pack(f"<{len(values)}f", *values)

    def test_reads_what_it_writes(self):
        head = model.safetensors_head({"architecture": "net", "round": "1"}, self.PLAN)
        self.assertEqual(len(head) % 8, 0)
        metadata, flat = model.read_safetensors(head + struct.pack("<3f", 1, 2, 3), self.PLAN)
        self.assertEqual(metadata["round"], "1")
        self.assertEqual(flat.tolist(), [1, 2, 3])

    def test_the_mean_of_a_private_round_is_over_the_whole_roster(self):
        config = types.SimpleNamespace(n=6, max_weight=100, scale=4.0, b=32, is_private=False)
        ring = np.array([400, 2**32 - 400], np.uint32)  # 400 and -400
        self.assertEqual(model.mean_of(ring, config, 500).tolist(), [20.0, -20.0])
        config.is_private = True
        self.assertEqual(model.mean_of(ring, config, 500).tolist(),
                         [400 * (100 / 2400.0), -400 * (100 / 2400.0)])

    def test_server_optimizers_round_each_operation_to_float(self):
        """Sums, products, quotients and roots of two floats in double, rounded to float, are the
        float operations: a double has more than twice a float's bits."""
        def f(value):
            return struct.unpack("<f", struct.pack("<f", value))[0]
        rng = np.random.default_rng(5)
        real = {"eta": 0.01, "beta1": 0.9, "beta2": 0.99, "tau": 1e-3}
        eta, b1, b2, tau = (f(value) for value in real.values())
        for name in evidence.MOMENTS:
            plan = {"strategy": {"name": name}, "real": real, "n_params": 50}
            flat = rng.standard_normal(50).astype(np.float32)
            moments = model.first_moments(plan)
            self.assertEqual(set(moments[50:].tolist()), {f(tau * tau)})
            for _ in range(3):
                mean = rng.standard_normal(50) / 100
                new, after = model.server_step(flat, mean, plan, moments)
                for j in range(50):
                    d = f(mean[j])
                    square, v = f(d * d), float(moments[50 + j])
                    m = f(f(b1 * float(moments[j])) + f(f(1 - b1) * d))
                    change = f(f(1 - b2) * square)
                    v = {"fedadagrad": f(v + square), "fedadam": f(f(b2 * v) + change),
                         "fedyogi": f(v + change) if v < square else f(v - change)}[name]
                    step = f(f(eta * m) / f(f(math.sqrt(v)) + tau))
                    self.assertEqual((float(after[j]), float(after[50 + j]), float(new[j])),
                                     (m, v, f(float(flat[j]) + step)), name)
                flat, moments = new, after

    def test_refuses_other_files(self):
        meta = b'"__metadata__":{"architecture":"net"}'
        a = b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
        b = b'"b":{"dtype":"F32","shape":[],"data_offsets":[8,12]}'
        good = b"{" + meta + b"," + b + b"," + a + b"}"  # any order of the header
        model.read_safetensors(self.file(good), self.PLAN)
        bad = [good.replace(b"[8,12]", b"[4,8]"), good.replace(b"F32", b"F16"),
               good.replace(b'"net"', b'"other"'), b"{" + meta + b"," + a + b"}", b"[]", b"{",
               good.replace(b"[0,8]", b"[8,0]"), good[:-1] + b"," + b + b"}",
               good.replace(b"[0,8]", b'["0","8"]'), good.replace(b"[0,8]", b"[0]"),
               good.replace(b"[0,8]", b"[-8,0]"), good.replace(b"[0,8]", b"7")]
        for text in bad:
            with self.assertRaises(wire.Wrong, msg=text):
                model.read_safetensors(self.file(text), self.PLAN)
        for data in (b"", bytes(7), struct.pack("<Q", 2**63), self.file(good) + bytes(4),
                     self.file(good, (1.0, float("nan"), 2.0)), self.file(good)[:-1]):
            with self.assertRaises(wire.Wrong):
                model.read_safetensors(data, self.PLAN)


if __name__ == "__main__":
    unittest.main()
