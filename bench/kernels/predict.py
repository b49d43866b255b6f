"""Predicts what the kernels would take on GPUs. Nothing here was measured on a GPU.

Usage: predict.py [N_PARAMS]     (default 25,000,000)

A kernel of kernels/ moves a fixed number of bytes a coordinate and does little arithmetic, so its
time on a GPU is bytes / bandwidth. Assumed: 85 % of the data sheet's memory bandwidth, and 80 % of
one direction of the bus for the copies that a call with spans in the computer's memory makes.
"""
import sys

# name, memory GB/s, bus GB/s in one direction: data sheets of A100 80 GB SXM, H100 SXM, B200 SXM
GPUS = [("A100 (sm_80)", 2039, 32), ("H100 (sm_90)", 3350, 64), ("B200 (sm_100)", 8000, 64)]

# function, bytes a coordinate that the kernel reads and writes, that go to the GPU, that come back
KERNELS = [
    ("AddWords", 20, 12, 8),
    ("ReduceToRing", 12, 8, 4),
    ("MeasureNorms", 4, 4, 0),
    ("ScaleInPlace", 8, 4, 4),
    ("Quantize", 12, 8, 4),
    ("Dequantize", 12, 4, 8),
    ("AddMean", 12, 8, 4),
    ("ServerStep", 28, 16, 12),
    ("WeightedSum/50", 204, 200, 4),
    ("AddVectors/50", 216, 208, 8),
    ("PackWords/25", 7.125, 4, 3.125),
]
OF_MEMORY, OF_BUS = 0.85, 0.80


def main(n_params=25_000_000):
    n = int(n_params)
    print(f"predicted, not measured: milliseconds for {n:,} parameters (kernel / with copies)")
    print(f"{'kernel':14}" + "".join(f"{gpu[0]:>18}" for gpu in GPUS))
    for name, moved, there, back in KERNELS:
        cells = []
        for _, memory, bus in GPUS:
            kernel_ms = moved * n / (memory * OF_MEMORY * 1e6)
            copies_ms = (there + back) * n / (bus * OF_BUS * 1e6)
            cells.append(f"{kernel_ms:8.3f} /{kernel_ms + copies_ms:8.2f}")
        print(f"{name:14}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main(*sys.argv[1:])
