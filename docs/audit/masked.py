"""What a masked round is judged by: keys, graph, votes, tags, opened secrets, and the masks that
they make (docs/wire.md, section 7)."""
import functools
import math
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import wire
from evidence import check_member_signature
from wire import Reader, Wrong, require

PRIME = (1 << 61) - 1
COMPLETE_UP_TO = 100  # members of the roster


def _signed(config, attempt, name, sender, key, message, signature, what):
    require(wire.is_signed(key, config.signed(name, attempt, sender, message), signature), what)


def _member_key(config, index, what):
    require(index < config.n, f"{what} is of member {index}, the roster has {config.n}")
    return config.keys[index]


@dataclass
class Facts:
    """What the flights fixed, every signature in it verified."""
    keys: dict  # index -> (s^PK, c^PK, graph_commit, b_commit)
    list_hash: bytes
    graph: object = None
    u1_hash: bytes = b""
    u2: list = None
    u2_hash: bytes = b""


# ---- flights R0 to R1


def read_key_list(body, config, attempt, server_key):
    r = Reader(body, "the key list")
    entries = r.list(lambda: (r.take(32), r.take(32), r.take(32), r.take(32), r.take(64)))
    signature = r.take(64)
    r.finish()
    require(len(entries) >= config.min_count,
            f"the key list has {len(entries)} members, the round needs {config.min_count}")
    list_hash = wire.labelled_hash("r0-list", body[:-64])
    _signed(config, attempt, "r0-list", wire.SERVER, server_key, list_hash, signature,
            "the key list is not signed by the server")
    seen = set()
    for index, (mask, channel, graph, b, own) in entries.items():
        key = _member_key(config, index, "an advertised key")
        _signed(config, attempt, "r0-key", index, key, mask + channel + graph + b, own,
                f"the advertised key of member {index} is not signed by it")
        require(mask != channel and not {mask, channel} & seen,
                f"member {index} advertises a key that is in the list already")
        seen |= {mask, channel}
    return Facts({i: e[:4] for i, e in entries.items()}, list_hash)


def read_u1(body, facts, config, attempt, server_key):
    r = Reader(body, "the list U1")
    entries = r.list(lambda: (r.take(32), r.take(64)))
    k, t, signature = r.integer(2), r.integer(2), r.take(64)
    r.finish()
    require(list(entries) == list(facts.keys), "U1 is not the members of the key list")
    for index, (reveal, own) in entries.items():
        _signed(config, attempt, "r0-reveal", index, config.keys[index],
                facts.list_hash + reveal, own,
                f"the reveal of member {index} is not signed on this key list")
        require(wire.labelled_hash("graph-commit", reveal) == facts.keys[index][2],
                f"the reveal of member {index} does not open its commitment")
    check_graph(config, len(entries), k, t)
    revealed = b"".join(wire.u16(i) + e[0] for i, e in entries.items())
    seed = wire.labelled_hash("graph", facts.list_hash + wire.u32(len(entries)) + revealed +
                              config.ledger_head)
    facts.u1_hash = wire.labelled_hash("u1", seed + wire.u16(k) + wire.u16(t))
    _signed(config, attempt, "u1", wire.SERVER, server_key, facts.u1_hash, signature,
            "U1 is not signed by the server")
    facts.graph = Graph(list(entries), k, seed)


def read_u2(body, facts, config, attempt, server_key):
    r = Reader(body, "the list U2")
    members = list(r.list(lambda: None))
    signature = r.take(64)
    r.finish()
    facts.u2, facts.u2_hash = members, wire.labelled_hash("u2", facts.u1_hash + body[:-64])
    _signed(config, attempt, "u2", wire.SERVER, server_key, facts.u2_hash, signature,
            "U2 is not signed by the server")
    require(len(members) >= config.min_count,
            f"U2 has {len(members)} members, the round needs {config.min_count}")
    require(set(members) <= set(facts.graph.members), "U2 has a member that is not of U1")


# ---- the graph


def _log2_choose(n, k):
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)


def _tail(items, marked, drawn, at_least):
    """P[at least `at_least` of the drawn items are marked], without replacement."""
    plain, everything = items - marked, _log2_choose(items, drawn)
    return sum(2.0 ** (_log2_choose(marked, x) + _log2_choose(plain, drawn - x) - everything)
               for x in range(max(at_least, drawn - plain, 0), min(marked, drawn) + 1))


@functools.cache
def run_minimum(n1, c, k):
    """The fewest members of U3 in a run, k / 2 neighbours on the ring: the smallest m for which
    some run has m corrupt members with a probability of at most 2^-43."""
    return next(m for m in range(1, k // 2 + 2) if n1 * _tail(n1, c, k // 2, m) <= 2.0**-43)


def bounds_hold(n1, c, u, k, t):
    """The four bounds for a ring of even degree k with threshold t."""
    if not (k % 2 == 0 and 2 <= k < n1 - 1 and 2 <= t <= k and c < n1 and u < n1):
        return False
    length, minimum = k // 2, run_minimum(n1, c, k)
    return (n1 * _tail(n1 - 1, c, k, t) <= 2.0**-43 and
            minimum <= length and
            n1 * _tail(n1 - 1, u, k, k - t + 1) <= 2.0**-30 and
            n1 * _tail(n1, u, length, length - minimum + 1) <= 2.0**-30)


def check_graph(config, n1, k, t):
    complete = k == n1 - 1 and t == 2 * n1 // 3 + 1 and t > config.c_max
    dropped = max(0, config.drop_max - (config.n - n1))
    regular = config.n > COMPLETE_UP_TO and bounds_hold(n1, config.c_max, dropped, k, t)
    require(complete or regular,
            f"a graph of {n1} members with k = {k} and t = {t} is below the bounds")


class Graph:
    """Everyone beside everyone, or a ring under a permutation drawn from `seed`."""

    def __init__(self, members, k, seed):
        self.members, self.k = members, k
        self.ring = None if k == len(members) - 1 else self._shuffle(seed)

    def _shuffle(self, seed):
        """Fisher-Yates from the last position down; 8 bytes of ChaCha20 each, by rejection."""
        ring, stream = list(self.members), Keystream(2, seed, 0)
        for last in range(len(ring) - 1, 0, -1):
            bound = last + 1
            value = int.from_bytes(stream.bytes(8), "little")
            while value < (1 << 64) % bound:
                value = int.from_bytes(stream.bytes(8), "little")
            j = value % bound
            ring[last], ring[j] = ring[j], ring[last]
        return ring

    def neighbours(self, member):
        if self.ring is None:
            return [other for other in self.members if other != member]
        at, n = self.ring.index(member), len(self.ring)
        return sorted({self.ring[(at + step) % n]
                       for d in range(1, self.k // 2 + 1) for step in (d, -d)})


def check_runs(graph, u3, config):
    """Drop-outs that somebody chose must not cut the ring: more members in a run than colluders."""
    if graph.ring is None:
        return
    n, length = len(graph.ring), graph.k // 2
    minimum = run_minimum(n, config.c_max, graph.k)
    fewest = min(sum(graph.ring[(first + d) % n] in u3 for d in range(length))
                 for first in range(n))
    require(fewest >= minimum,
            f"of {length} neighbours on the ring {fewest} sent vectors, {minimum} are needed")


# ---- transcript, votes, tags


def check_transcript(transcript, facts, config, attempt):
    require(transcript.u1_hash == facts.u1_hash and transcript.u2_hash == facts.u2_hash,
            "the transcript is of other sets U1 or U2 than the evidence")
    require(transcript.model_hash == config.model_hash and
            transcript.n_coords == config.n_coords,
            "the transcript is of another model or length than the configuration")
    require(len(transcript.members) >= config.min_count,
            f"the transcript has {len(transcript.members)} members, the round needs "
            f"{config.min_count}")
    require(set(transcript.members) <= set(facts.u2),
            "the transcript has a member that is not of U2")
    check_runs(facts.graph, set(transcript.members), config)
    for index, fields in transcript.members.items():
        check_member_signature(config, attempt, index, fields, facts.u2_hash)


def read_votes(body, transcript_hash, config, attempt):
    """V, once a quorum has voted for this transcript."""
    r = Reader(body, "the vote list")
    votes = r.list(lambda: (r.take(32), r.take(64)))
    r.finish()
    require(len(votes) >= config.quorum,
            f"the transcript has {len(votes)} votes, the quorum is {config.quorum}")
    for index, (nonce, signature) in votes.items():
        key = _member_key(config, index, "a vote")
        _signed(config, attempt, "r3-vote", index, key, transcript_hash + nonce, signature,
                f"the vote of member {index} is not signed on this transcript")
    return wire.labelled_hash("votes", transcript_hash + body)


@dataclass
class Opening:
    b: dict
    a: dict
    tags: dict  # index -> (three values, signature)


def read_opening(body):
    r = Reader(body, "the opening of the round")
    opening = Opening(r.list(lambda: r.take(32)), r.list(lambda: r.take(32)),
                      r.list(lambda: ([r.integer(8) for _ in range(3)], r.take(64))))
    r.finish()
    scalars = [*opening.b.values(), *opening.a.values()]
    require(all(int.from_bytes(s, "little") < wire.ORDER for s in scalars),
            "an opened secret is not below the order of the group")
    require(all(v < PRIME for values, _ in opening.tags.values() for v in values),
            "a tag has a value that is not below 2^61 - 1")
    return opening


def check_tag_signatures(opening, transcript, transcript_hash, votes_hash, config, attempt):
    for index, (values, signature) in opening.tags.items():
        require(index in transcript.members, f"there is a tag of member {index}, not of U3")
        message = transcript_hash + votes_hash + b"".join(map(wire.u64, values))
        _signed(config, attempt, "tag", index, config.keys[index], message, signature,
                f"the tag of member {index} is not signed by it on this transcript")


def challenge(config, attempt, votes_hash):
    info = wire.label("rho") + config.rid(attempt)
    return [int.from_bytes(wire.hkdf(votes_hash, info + bytes([m]), 16), "big") % PRIME
            for m in (1, 2, 3)]


class Tags:
    """Sum of v_j rho^j mod p at three points, over chunks of at most `n` words that come in order.

    A power below 2^61 is cut into five limbs of 13 bits and a word has 32 bits, so 2^18 products
    of one limb stay below 2^63: exact in 64 bits.
    """

    LIMBS = 5

    def __init__(self, points, n, limbs=None):
        self.points, self.n, self.value = points, n, [0, 0, 0]
        self.start = [1, 1, 1]  # rho^(coordinates so far)
        self.limbs = limbs if limbs is not None else self._prepare()

    def _prepare(self):
        rows = np.empty((3 * self.LIMBS, self.n), np.uint64)
        for m, point in enumerate(self.points):
            powers, power = np.empty(self.n, np.uint64), 1
            for j in range(self.n):
                powers[j] = power
                power = power * point % PRIME
            for limb in range(self.LIMBS):
                rows[m * self.LIMBS + limb] = powers >> np.uint64(13 * limb) & np.uint64(0x1FFF)
        return rows

    def fresh(self):
        """Another sum at the same points, which shares the powers."""
        return Tags(self.points, self.n, self.limbs)

    def add(self, words):
        """words: uint64, each below 2^32."""
        n = len(words)
        sums = [int((row[:n] * words).sum(dtype=np.uint64)) for row in self.limbs]
        for m, point in enumerate(self.points):
            of_chunk = sum(sums[m * self.LIMBS + i] << (13 * i) for i in range(self.LIMBS))
            self.value[m] = (self.value[m] + self.start[m] * of_chunk) % PRIME
            self.start[m] = self.start[m] * pow(point, n, PRIME) % PRIME


def tags_of_sum(sums, tags):
    """The polynomial of S, whose coordinates are below 2^48."""
    low, high = tags.fresh(), tags.fresh()
    for first in range(0, len(sums), tags.n):
        part = sums[first:first + tags.n]
        low.add(part & np.uint64(0xFFFFFFFF))
        high.add(part >> np.uint64(32))
    return [(a + (b << 32)) % PRIME for a, b in zip(low.value, high.value)]


# ---- opened secrets and masks


class Keystream:
    """Suite 1: AES-256-CTR from counter block 0; suite 2: ChaCha20, zero nonce, from block 0."""

    def __init__(self, suite, key, first_byte):
        if suite == 1:
            counter = (first_byte // 16).to_bytes(16, "big")
            cipher = Cipher(algorithms.AES(key), modes.CTR(counter))
        else:
            counter = (first_byte // 64).to_bytes(4, "little") + bytes(12)
            cipher = Cipher(algorithms.ChaCha20(key, counter), None)
        self.encryptor = cipher.encryptor()

    def bytes(self, n):
        return self.encryptor.update(bytes(n))


def mask_keys(opening, transcript, facts, config, attempt):
    """[(key, sign)] that take the masks out of S: each opened secret against what was committed."""
    u3, rid = list(transcript.members), config.rid(attempt)
    dropped = [i for i in facts.u2 if i not in transcript.members]
    require(list(opening.b) == u3 and list(opening.a) == dropped,
            "the opened secrets are not those of the transcript's members")
    binding = config.model_hash + config.hash + facts.u2_hash
    suite, keys = bytes([config.suite]), []
    for i, b in opening.b.items():
        require(wire.labelled_hash("b-commit", rid + wire.u16(i) + b) == facts.keys[i][3],
                f"the opened secret of member {i} does not open its commitment")
        info = wire.label("self-mask") + suite + rid + wire.u16(i) + binding
        keys.append((wire.hkdf(b, info), -1))
    for j, a in opening.a.items():
        secret = wire.hkdf(a, wire.label("mask-sk") + rid + wire.u16(j))
        private = X25519PrivateKey.from_private_bytes(secret)
        require(private.public_key().public_bytes_raw() == facts.keys[j][0],
                f"the opened secret of member {j} does not give its advertised key")
        for i in facts.graph.neighbours(j):
            if i not in transcript.members:
                continue
            try:
                shared = private.exchange(X25519PublicKey.from_public_bytes(facts.keys[i][0]))
            except ValueError:
                raise Wrong(f"the advertised key of member {i} is a point of small order") from None
            info = (wire.label("pair-mask") + suite + rid + wire.u16(min(i, j)) +
                    wire.u16(max(i, j)) + binding)
            keys.append((wire.hkdf(shared, info), -1 if i < j else 1))
    return keys


def remove_masks(part, first, keys, config):
    """part + sum of sign * keystream mod 2^b, for coordinates `first`, `first` + 1, ..."""
    total = part.copy()
    for key, sign in keys:
        stream = np.frombuffer(Keystream(config.suite, key, 4 * first).bytes(4 * len(part)), "<u4")
        total = total + stream if sign > 0 else total - stream  # uint64 wraps mod 2^64
    return total & np.uint64((1 << config.b) - 1)
