"""Writes secagg.txt: keys, commitments, hashes and message bodies of secure aggregation
(docs/secure_aggregation.md, sections 2 and 5), written once more in Python and independent of
privacy/: hashlib, hmac and plain integers.

Usage: make_secagg_vectors.py FOLDER. Each line of a vector file is `name = hexadecimal`.
Source of the values: this script. Licence: as Hilum.
"""
import hashlib
import hmac
import struct
import sys
from pathlib import Path

from make_vectors import digest, labelled_hash, round_config, transcript

P = 2**255 - 19


def x25519(scalar, u):
    """RFC 7748, section 5, by plain integers."""
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(u, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b = x2 + z2, x2 - z2
        aa, bb = a * a % P, b * b % P
        e = aa - bb
        da, cb = (x3 - z3) * a % P, (x3 + z3) * b % P
        x3, z3 = (da + cb)**2 % P, x1 * (da - cb)**2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


BASE = bytes([9]) + bytes(31)


def hkdf(key_material, label, fields, size=32):
    label = b"hilum/sa/v1/" + label
    info = bytes([len(label)]) + label + fields
    key = hmac.new(bytes(32), key_material, hashlib.sha256).digest()
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()[:size]


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


def listed(elements):
    return u32(len(elements)) + b"".join(elements)


def signature(byte):
    return bytes([byte]) * 64


def keys(cfg, rid):
    # The configuration of the tests: c_max 0 and u_min 3 in place of 1 and 4.
    cfg_hash = labelled_hash(b"cfg", cfg)
    a = (0x0102030405060708).to_bytes(32, "little")
    b = (9).to_bytes(32, "little")
    suite, binding = bytes([2]), digest(0x33) + cfg_hash + digest(0x22)
    shared = x25519(digest(0x77), x25519(digest(0x78), BASE))
    return {
        "cfg_hash": cfg_hash,
        "mask_private": hkdf(a, b"mask-sk", rid + u16(1)),
        "self_mask": hkdf(b, b"self-mask", suite + rid + u16(1) + binding),
        "self_commit": labelled_hash(b"b-commit", rid + u16(1) + b),
        "graph_commit": labelled_hash(b"graph-commit", digest(0x44)),
        "channel": hkdf(digest(0x55) + digest(0x66), b"channel",
                        rid + u16(2) + u16(0) + cfg_hash + digest(0x11)),
        "pair_mask": hkdf(shared, b"pair-mask", suite + rid + u16(0) + u16(2) + binding),
    }


def messages():
    advertisement = digest(1) + digest(2) + digest(3) + digest(4) + signature(5)
    other = digest(6) + digest(7) + digest(8) + digest(9) + signature(10)
    key_list = listed([u16(0) + advertisement, u16(2) + other])
    b_hash = labelled_hash(b"r0-list", key_list)
    reveals = [u16(0) + digest(11), u16(2) + digest(12)]
    seed = labelled_hash(b"graph", b_hash + listed(reveals) + digest(0x22))
    u1_hash = labelled_hash(b"u1", seed + u16(4) + u16(3))
    ciphertexts = [bytes([20]) * 84, bytes([21]) * 84]
    points = listed([digest(30), digest(31)]) + listed([digest(32), digest(33)])
    digests = listed([u16(1) + hashlib.sha256(ciphertexts[0]).digest(),
                      u16(3) + hashlib.sha256(ciphertexts[1]).digest()])
    ack = listed([u16(0), u16(4)]) + listed([u16(1) + b"\x02" + digest(40),
                                             u16(3) + b"\x01" + bytes(32)])
    members = listed([u16(0), u16(2), u16(300)])
    votes = listed([u16(0) + digest(50) + signature(51), u16(2) + digest(52) + signature(53)])
    scalars = [(5).to_bytes(32, "little"), (6).to_bytes(32, "little"), (7).to_bytes(32, "little")]
    b_list = listed([u16(0) + scalars[0], u16(2) + scalars[1]])
    a_list = listed([u16(1) + scalars[2]])
    tag = struct.pack(">QQQ", 1, 2**61 - 2, 3) + signature(60)
    return {
        "key_advertisement": advertisement,
        "key_list": key_list + signature(13),
        "key_list_hash": b_hash,
        "graph_reveal": b_hash + digest(11) + signature(14),
        "u1": listed([reveals[0] + signature(15), reveals[1] + signature(16)]) + u16(4) + u16(3)
              + signature(17),
        "graph_seed": seed,
        "u1_hash": u1_hash,
        "share_bundle": points + listed([u16(1) + ciphertexts[0], u16(3) + ciphertexts[1]])
                        + signature(34),
        "bundle_fields": points + digests,
        "share_delivery": listed([u16(2) + points + digests + ciphertexts[1] + signature(34)]),
        "share_ack": ack + signature(41),
        "u2": members + signature(42),
        "u2_hash": labelled_hash(b"u2", u1_hash + members),
        "masked_input_close": digest(43) + digest(44) + struct.pack(">Q", 817) + signature(45),
        "signed_transcript": transcript() + signature(46),
        "transcript_vote": digest(47) + digest(48) + signature(49),
        "vote_list": votes,
        "votes_hash": labelled_hash(b"votes", digest(47) + votes),
        "unmasking": digest(54) + b_list + a_list + signature(55) + tag,
        "round_opening": b_list + a_list + listed([u16(0) + tag, u16(2) + tag]),
    }


def main(folder):
    assert x25519(bytes([9]) + bytes(31), BASE).hex() == \
        "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"  # RFC 7748, 5.2
    cfg = round_config()
    old, new = struct.pack(">HHHHB", 1, 2, 3, 4, 1), struct.pack(">HHHHB", 0, 2, 3, 3, 1)
    assert cfg.count(old) == 1
    cfg = cfg.replace(old, new)
    values = keys(cfg, cfg[:16] + struct.pack(">QB", 7, 2)) | messages()
    lines = [f"{name} = {value.hex()}" for name, value in values.items()]
    Path(folder, "secagg.txt").write_text(
        "# Made by make_secagg_vectors.py in this folder. Licence: as Hilum.\n"
        + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
