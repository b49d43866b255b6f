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


def mean_of(ring, config, total_weight):
    """double(z as a signed b-bit integer) * g. With differential privacy the denominator is that
    of the whole roster, whoever dropped out."""
    divisor = float(total_weight)
    if config.is_private:
        divisor = float(config.n) * float(config.max_weight)
    gain = float(config.max_weight) / (config.scale * divisor)
    signed, half = ring.astype(np.int64), 1 << (config.b - 1)
    signed[signed >= half] -= 1 << config.b
    return signed.astype(np.float64) * gain


def first_moments(plan):
    """m = 0 and v = tau^2, before a job's first round."""
    tau = np.float32(plan["real"]["tau"])
    return np.concatenate([np.zeros(plan["n_params"], np.float32),
                           np.full(plan["n_params"], tau * tau, np.float32)])


def adapt(flat, mean, plan, moments):
    """(model, moments m || v) of FedAdagrad, FedAdam or FedYogi; each operation in float32."""
    name, real = plan["strategy"]["name"], {k: np.float32(v) for k, v in plan["real"].items()}
    one, d = np.float32(1), mean.astype(np.float32)
    m, v = moments[:len(flat)], moments[len(flat):]
    m = real["beta1"] * m + (one - real["beta1"]) * d
    square = d * d
    if name == "fedadagrad":
        v = v + square
    elif name == "fedadam":
        v = real["beta2"] * v + (one - real["beta2"]) * square
    else:
        change = (one - real["beta2"]) * square
        v = np.where(v == square, v, np.where(v < square, v + change, v - change))
    return flat + real["eta"] * m / (np.sqrt(v) + real["tau"]), np.concatenate([m, v])


def server_step(flat, mean, plan, moments):
    """(model, moments after). Without moments: float(double(m) + eta * mean)."""
    with np.errstate(over="ignore", invalid="ignore"):
        if moments is None:
            stepped = flat.astype(np.float64) + plan["real"]["eta"] * mean
            new, after = stepped.astype(np.float32), None
        else:
            new, after = adapt(flat, mean, plan, moments)
    require(bool(np.isfinite(new).all()), "the step leaves the range of float32")
    return new, after
