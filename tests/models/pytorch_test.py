"""docs/pytorch gives the logits of our networks: `./dev check pytorch` runs it where torch is.

The weights and images are those of tests/vectors/models/forward_reference.py, whose logits our own
tests compare with too. Files that `hilum model init` writes must load by name.
"""
import argparse
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs/pytorch"))
# pylint: disable=wrong-import-position
import hilum_models as hilum  # noqa: E402

BIN = None
SIDE = 32


def reference_weights(network):
    position, state = 0, {}
    for name, tensor in network.named_parameters():
        i = np.arange(position, position + tensor.numel(), dtype=np.uint64)
        position += tensor.numel()
        u = (i * np.uint64(2654435761) % np.uint64(2**32)) / 2**32 - 0.5
        if tensor.dim() > 1:
            u = u * 2.5 / np.sqrt(np.prod(tensor.shape[1:]))
        elif name.endswith("norm.weight"):
            u = 1 + u
        state[name] = torch.from_numpy(u.astype(np.float32)).reshape(tensor.shape)
    network.load_state_dict(state, strict=False)
    return position


def reference_images():
    stripes = (np.arange(SIDE * SIDE) * 0.618034 % 1).reshape(SIDE, SIDE)
    ramp = np.arange(SIDE)[:, None] * np.arange(SIDE)[None, :] / 1024
    return torch.from_numpy(np.stack([stripes, ramp]).astype(np.float32))[:, None]


class PyTorch(unittest.TestCase):
    def test_gives_the_logits_that_ours_give(self):
        cases = (("covidnet-nano", "nano32", 1e-5), ("covidnet-ct-s", "ct32", 2e-5),
                 ("resnet18", "resnet32", 2e-5))
        for architecture, file, bound in cases:
            lines = (ROOT / f"tests/vectors/models/{file}_logits.txt").read_text().splitlines()
            expected = np.array([[float(v) for v in line.split()] for line in lines[1:3]])
            network = hilum.make(architecture, 2)
            self.assertEqual(reference_weights(network), int(lines[3]), architecture)
            with torch.no_grad():
                logits = network(reference_images()).numpy()
            self.assertLess(np.abs(logits - expected).max(), bound, architecture)

    @staticmethod
    def init(folder, architecture, *arguments):
        subprocess.run([f"{BIN}/hilum-model", "init", architecture, "--seed", "7",
                        "--profile", "cxr96", "--out", f"{folder}/m", *arguments],
                       check=True, capture_output=True)
        return f"{folder}/m/model.safetensors"

    def test_loads_what_we_write_by_name(self):
        for architecture in ("covidnet-nano", "covidnet-tiny", "covidnet-ct-s", "resnet18"):
            for norm in ("group", "batch"):
                with tempfile.TemporaryDirectory() as folder:
                    path = self.init(folder, architecture, "--norm", norm)
                    if norm == "batch":
                        with self.assertRaises(ValueError):
                            hilum.load(path)  # no site's statistics
                        network = hilum.load(path, statistics="estimate")
                    else:
                        network = hilum.load(path)
                    tensors, _ = hilum.read(path)
                    state = network.state_dict()
                    for name, tensor in tensors.items():
                        self.assertTrue(torch.equal(state[name], tensor), name)

    def test_refuses_a_network_that_is_not_whole(self):
        for arguments in (("--norm", "batch_local"), ("--local", "stem.*"), ("--local", "head.*")):
            with tempfile.TemporaryDirectory() as folder:
                path = self.init(folder, "covidnet-nano", *arguments)
                for statistics in ("given", "estimate"):
                    with self.assertRaises(ValueError):
                        hilum.load(path, statistics)

    def test_estimates_the_statistics_of_batch_norm(self):
        torch.manual_seed(1)
        network = hilum.make("covidnet-nano", 2, "batch")
        batches = [torch.rand(4, 1, SIDE, SIDE) for _ in range(3)]
        hilum.estimate_statistics(network, batches)
        with torch.no_grad():
            stem = [network.stem.conv(batch.expand(-1, 3, -1, -1)) for batch in batches]
        means = torch.stack([y.mean((0, 2, 3)) for y in stem]).mean(0)
        self.assertTrue(torch.allclose(network.stem.norm.running_mean, means, atol=1e-6))

    def test_volumes_have_the_documented_count(self):
        network = hilum.make("covidnet-vol", 2)
        self.assertEqual(sum(p.numel() for p in network.parameters()), 346978)
        with torch.no_grad():
            self.assertEqual(network(torch.rand(1, 2, 4, 192, 288)).shape, (1, 2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    arguments, rest = parser.parse_known_args()
    BIN = arguments.bin
    unittest.main(argv=[sys.argv[0], *rest])
