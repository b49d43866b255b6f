"""Writes round_config.txt and transcript.txt: the encodings of secure_aggregation's configuration
and transcript (docs/wire.md), written once more in Python and independent of privacy/.

Usage: make_vectors.py FOLDER. Each line of a vector file is `name = hexadecimal`.
Source of the values: this script. Licence: as Hilum.
"""
import hashlib
import struct
import sys
from pathlib import Path


def digest(byte):
    return bytes([byte]) * 32


def labelled_hash(label, message):
    label = b"hilum/sa/v1/" + label
    return hashlib.sha256(bytes([len(label)]) + label + message).digest()


def round_config():
    federation_id = hashlib.sha256(b"log.example.org/hilum\nvkey").digest()[:16]
    identity = federation_id + struct.pack(">Q", 7) + digest(0x11) + digest(0x22)
    identity += digest(0x33) + digest(0x44) + bytes([1]) + digest(0x55) + digest(0x66)
    scale = (2**29 - 1) / 2.5
    vector = struct.pack(">QIIBBBdddI", 814, 3, 2**18, 2, 32, 30, scale, 1.5, 2.5, 100000)
    roster = struct.pack(">I", 3)
    for index in range(3):
        roster += struct.pack(">H", index) + digest(0xA0 + index)
    cohort = roster + struct.pack(">HHHHB", 1, 2, 3, 4, 1)
    mode = struct.pack(">BH", 1, 8)
    privacy = struct.pack(">BBddBd", 1, 2, 0.75, 1e-5, 1, 0.125)
    time = struct.pack(">7IH", 101, 102, 103, 104, 105, 106, 107, 30)
    return identity + vector + cohort + mode + privacy + time


def transcript():
    fields = digest(0) + digest(0) + digest(0x33) + struct.pack(">I", 2)
    for index, byte in ((0, 0xB0), (2, 0xB2)):
        fields += struct.pack(">H", index) + digest(byte) + bytes([byte + 1]) * 64
    return fields + struct.pack(">Q", 817) + digest(0x77)


def write(path, values):
    lines = [f"{name} = {value.hex()}" for name, value in values.items()]
    path.write_text("# Made by make_vectors.py in this folder. Licence: as Hilum.\n"
                    + "\n".join(lines) + "\n", encoding="utf-8")


def main(folder):
    config = round_config()
    cfg_hash = labelled_hash(b"cfg", config)
    rid = config[:16] + struct.pack(">QB", 7, 2)
    write(Path(folder, "round_config.txt"), {
        "cfg": config,
        "cfg_hash": cfg_hash,
        "rid_of_attempt_2": rid,
        "model_hash": labelled_hash(b"model", digest(0x44) + struct.pack(">Q", 814) + digest(0x99)),
    })
    write(Path(folder, "transcript.txt"), {
        "transcript": transcript(),
        "transcript_hash": labelled_hash(b"transcript", rid + cfg_hash + transcript()),
        "update_message": digest(0) + digest(0xB0) + struct.pack(">Q", 817),
    })


if __name__ == "__main__":
    main(*sys.argv[1:])
