"""The model's file and the server's step in their exact arithmetic (docs/wire.md, section 8)."""
import json
import struct

import numpy as np

import wire
from wire import require

HEADER_LIMIT = 1 << 20


def _no_doubles(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a doubled key")
    return dict(pairs)


def _whole(value):
    if type(value) is not int or value < 0:
        raise ValueError("no offset")
    return value


def read_safetensors(data, plan):
    """(metadata, values as float32 in the order of the plan's spec) of a whole file."""
    what = "the base model's file"
    require(len(data) >= 8, f"{what} is shorter than 8 bytes")
    length = struct.unpack_from("<Q", data)[0]
    require(length <= min(HEADER_LIMIT, len(data) - 8), f"{what} has too long a header")
    try:
        header = json.loads(data[8:8 + length].decode("utf-8"), object_pairs_hook=_no_doubles)
        metadata = dict(header.pop("__metadata__", {}))
        found = {name: (t["dtype"], t["shape"], *map(_whole, t["data_offsets"]))
                 for name, t in header.items() if set(t) == {"dtype", "shape", "data_offsets"}}
        good = all(len(t) == 4 for t in found.values())
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        good = False
    require(good, f"{what} has a header that cannot be read")
    require(len(found) == len(header) == len(plan["tensors"]),
            f"{what} has other tensors than the plan")
    values, begun = np.frombuffer(data, "<f4", (len(data) - 8 - length) // 4, 8 + length), []
    parts = []
    for name, shape, size in plan["tensors"]:
        require(name in found and found[name][:2] == ("F32", shape),
                f"{what} has no F32 tensor {name} of the plan's shape")
        begin, end = found[name][2:]
        require(begin % 4 == 0 and end - begin == 4 * size,
                f"{what} has a tensor {name} of another length")
        begun.append((begin, end))
        parts.append(values[begin // 4:end // 4])
    ends = [0] + [end for _, end in sorted(begun)]
    require([begin for begin, _ in sorted(begun)] == ends[:-1] and
            ends[-1] == len(data) - 8 - length, f"{what} has a gap, an overlap or bytes at its end")
    require(all(isinstance(v, str) for v in metadata.values()) and
            metadata.get("architecture") == plan["spec"]["architecture"],
            f"{what} is of another architecture than the plan")
    flat = np.concatenate(parts)
    require(bool(np.isfinite(flat).all()), f"{what} has a value that is not finite")
    return metadata, flat


def safetensors_head(metadata, plan):
    """All bytes before the values."""
    tensors, at = [], 0
    for name, shape, size in plan["tensors"]:
        extents = ",".join(map(str, shape))
        tensors.append(f",{json.dumps(name)}:{{\"dtype\":\"F32\",\"shape\":[{extents}],"
                       f"\"data_offsets\":[{at},{at + 4 * size}]}}")
        at += 4 * size
    text = b'{"__metadata__":' + wire.canonical(metadata) + "".join(tensors).encode() + b"}"
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def server_step(flat, ring, config, plan, total_weight):
    """float(double(m) + eta * (double(z as a signed b-bit integer) * g)), four roundings."""
    gain = float(config.max_weight) / (config.scale * float(total_weight))
    eta, half = plan["real"]["eta"], 1 << (config.b - 1)
    signed = ring.astype(np.int64)
    signed[signed >= half] -= 1 << config.b
    with np.errstate(over="ignore"):
        stepped = flat.astype(np.float64) + eta * (signed.astype(np.float64) * gain)
        new = stepped.astype(np.float32)
    require(bool(np.isfinite(new).all()), "the step leaves the range of float32")
    return new
