"""The encodings that everything else is made of: docs/wire.md, section 3.

Hashes with labels, trees, signatures, canonical JSON, and a reader of bytes that refuses what is
too short, too long or out of order.
"""
import base64
import hashlib
import json
import re
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SERVER = 0xFFFF  # the sender number of the server
MAX_ROSTER = 1000
ZERO = bytes(32)


class Wrong(Exception):
    """What was shown does not verify: exit code 3. The text is one sentence."""


def require(good, sentence):
    if not good:
        raise Wrong(sentence)


# ---- hashes and trees


def sha256(data):
    return hashlib.sha256(data).digest()


def label(name):
    text = b"hilum/sa/v1/" + name.encode()
    return bytes([len(text)]) + text


def labelled_hash(name, message):
    """Hash(label, m) = SHA-256(u8 |label| || label || m)."""
    return sha256(label(name) + message)


def tree_root(leaf_hashes):
    """The Merkle tree hash of RFC 6962, section 2.1, over hashes of leaves."""
    level = list(leaf_hashes)
    if not level:
        return sha256(b"")
    while len(level) > 1:
        pairs = [sha256(b"\1" + level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2:]
    return level[0]


class GrowingTree:
    """The same tree, which keeps the hashes of its full subtrees: its root at any earlier size."""

    def __init__(self):
        self.levels = [[]]  # level k: hashes over 2^k leaves each

    def append(self, leaf):
        self.levels[0].append(leaf)
        level = 0
        while len(self.levels[level]) % 2 == 0:
            if level + 1 == len(self.levels):
                self.levels.append([])
            left, right = self.levels[level][-2:]
            level += 1
            self.levels[level].append(sha256(b"\1" + left + right))

    def root(self, size):
        """size: from 1 to the number of leaves."""
        at, full = 0, []
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                full.append(self.levels[level][at >> level])
                at += 1 << level
        root = full.pop()
        while full:
            root = sha256(b"\1" + full.pop() + root)
        return root


def leaf_hash(leaf):
    return sha256(b"\0" + leaf)


class ChunkTree:
    """Tree(label, v) over chunks that come in order."""

    def __init__(self, name):
        self.head = b"\0" + label(name)
        self.leaves = []

    def add(self, chunk):
        self.leaves.append(sha256(self.head + struct.pack(">I", len(self.leaves)) + chunk))

    def root(self):
        return tree_root(self.leaves)


# ---- keys and signatures


def decode64(text, what, size=None):
    """Base64 with padding, in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        data = None
    if data is None or base64.b64encode(data).decode() != text:
        raise Wrong(f"{what} is not base64 with padding in its one spelling")
    if size is not None and len(data) != size:
        raise Wrong(f"{what} has {len(data)} bytes, it should have {size}")
    return data


P25519 = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493  # l, of Ed25519 and ristretto255


def _add(a, b):
    """Two points of edwards25519 in extended coordinates (RFC 8032, section 5.1.4)."""
    d2 = -121665 * pow(121666, -1, P25519) * 2 % P25519
    x = (a[1] - a[0]) * (b[1] - b[0]) % P25519
    y = (a[1] + a[0]) * (b[1] + b[0]) % P25519
    t = a[3] * d2 * b[3] % P25519
    z = 2 * a[2] * b[2] % P25519
    e, f, g, h = y - x, z - t, z + t, y + x
    return e * f % P25519, g * h % P25519, f * g % P25519, e * h % P25519


def is_good_key(key):
    """Whether an Ed25519 key is the one encoding of a point of the subgroup of order l."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    if len(key) != 32 or y >= P25519:
        return False
    d = -121665 * pow(121666, -1, P25519) % P25519
    u, v = (y * y - 1) % P25519, (d * y * y + 1) % P25519
    x = u * pow(v, 3, P25519) * pow(u * pow(v, 7, P25519), (P25519 - 5) // 8, P25519) % P25519
    if v * x * x % P25519 == -u % P25519:
        x = x * pow(2, (P25519 - 1) // 4, P25519) % P25519
    if v * x * x % P25519 != u or x == 0:  # x = 0: a point of order 1 or 2
        return False
    if x & 1 != key[31] >> 7:
        x = P25519 - x
    point, total = (x, y, 1, x * y % P25519), (0, 1, 1, 0)
    for bit in bin(ORDER)[2:]:
        total = _add(total, total)
        if bit == "1":
            total = _add(total, point)
    return total[0] == 0 and total[1] == total[2]


def is_signed(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def hkdf(material, info, size=32):
    """HKDF-SHA-256 (RFC 5869) with an empty salt."""
    return HKDF(algorithm=hashes.SHA256(), length=size, salt=None, info=info).derive(material)


# ---- canonical JSON

KEY = re.compile(r"[a-z0-9_]+\Z")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?\Z")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
HEX32 = re.compile(r"[0-9a-f]{64}\Z")
JSON_INTEGERS = 2**53


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _check_json(value, depth):
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return 0 <= value < JSON_INTEGERS
    if isinstance(value, str):
        return all(character >= " " for character in value)
    if depth == 0:
        return False
    if isinstance(value, list):
        return all(_check_json(item, depth - 1) for item in value)
    return isinstance(value, dict) and all(
        KEY.match(key) and _check_json(item, depth - 1) for key, item in value.items())


def parse_canonical(data, what, limit):
    """The object that `data` is the one canonical spelling of."""
    require(len(data) <= limit, f"{what} has {len(data)} bytes, the limit is {limit}")
    try:
        value = json.loads(data.decode("utf-8"))
        good = isinstance(value, dict) and _check_json(value, 16) and canonical(value) == data
    except (ValueError, RecursionError):
        good = False
    require(good, f"{what} is not canonical JSON")
    return value


class Fields:
    """Takes the fields of one JSON object; what is left over at the end is an error."""

    def __init__(self, value, what):
        require(isinstance(value, dict), f"{what} is not a JSON object")
        self.value, self.what, self.known = value, what, set()

    def has(self, key):
        return key in self.value

    def take(self, key, kind):
        self.known.add(key)
        require(key in self.value, f"{self.what}: the field {key} is missing")
        value = self.value[key]
        good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        require(good, f"{self.what}: the field {key} has another type")
        return value

    def text(self, key, choices=None):
        value = self.take(key, str)
        require(choices is None or value in choices, f"{self.what}: {key} is \"{value}\"")
        return value

    def name(self, key):
        value = self.take(key, str)
        require(NAME.match(value), f"{self.what}: {key} \"{value}\" is not a name")
        return value

    def integer(self, key, least=0, most=JSON_INTEGERS - 1):
        value = self.take(key, int)
        require(least <= value <= most,
                f"{self.what}: {key} is {value}, the range is {least} to {most}")
        return value

    def decimal(self, key):
        value = self.take(key, str)
        require(DECIMAL.match(value) and value != "-0" and len(value) <= 400,
                f"{self.what}: {key} is not a decimal")
        return float(value)

    def digest(self, key):
        value = self.take(key, str)
        require(HEX32.match(value), f"{self.what}: {key} is not 64 hexadecimal digits")
        return bytes.fromhex(value)

    def bytes64(self, key, size=None):
        return decode64(self.take(key, str), f"{self.what}: {key}", size)

    def finish(self):
        unknown = sorted(set(self.value) - self.known)
        require(not unknown, f"{self.what}: the field {', '.join(unknown)} is unknown")


# ---- bytes


class Reader:
    """Integers are big-endian. Allocates as elements come, never from a count."""

    def __init__(self, data, what):
        self.data, self.what, self.at = data, what, 0

    def take(self, n):
        require(self.at + n <= len(self.data), f"{self.what} ends too early")
        self.at += n
        return self.data[self.at - n:self.at]

    def integer(self, n):
        return int.from_bytes(self.take(n), "big")

    def f64(self):
        return struct.unpack(">d", self.take(8))[0]

    def list(self, read):
        """{index: read()} of u32 count and elements by strictly ascending u16 index."""
        count, found, before = self.integer(4), {}, -1
        require(count <= MAX_ROSTER, f"{self.what} lists {count} members, the limit is 1000")
        for _ in range(count):
            index = self.integer(2)
            require(index > before, f"{self.what} lists member {index} after member {before}")
            found[index] = read()
            before = index
        return found

    def finish(self):
        require(self.at == len(self.data), f"{self.what} has bytes after its end")


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


def u64(value):
    return struct.pack(">Q", value)


def index_list(indices):
    """list of u16."""
    return u32(len(indices)) + b"".join(u16(index) for index in indices)
