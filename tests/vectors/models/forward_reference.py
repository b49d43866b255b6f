#!/usr/bin/env python3
"""Logits of a network at 32 pixels for fixed weights: docs/models.md again, in numpy.

  python3 forward_reference.py covidnet-nano > nano32_logits.txt
  python3 forward_reference.py covidnet-ct-s > ct32_logits.txt
  python3 forward_reference.py resnet18 > resnet32_logits.txt
(numpy 2.4.6; our own work, Hilum's licence)

Value i of the flat vector follows from u(i) = ((i * 2654435761) mod 2^32) / 2^32 - 0.5: it is
u(i) * 2.5 / sqrt(fan_in) in convolutions and linear layers, 1 + u(i) in norm scales, u(i) in norm
shifts and the bias. Pixel i of the first image is frac(i * 0.618034), pixel (y, x) of the second
y * x / 1024. All of it is rounded to float32 before it is used.
"""
import sys

import numpy as np

NAME = sys.argv[1]
WIDTHS, BLOCKS, STEM = {"covidnet-nano": ((64, 128, 256, 512), (3, 4, 6, 3), 32),
                        "covidnet-ct-s": ((48, 96, 192, 256), (3, 4, 6, 3), 48),
                        "resnet18": ((64, 128, 256, 512), (2, 2, 2, 2), 64)}[NAME]
SIZE, CLASSES = 32, 2
position = 0


def take(*shape):
    global position
    i = np.arange(position, position + int(np.prod(shape)), dtype=np.uint64)
    position += len(i)
    return ((i * np.uint64(2654435761) % np.uint64(2**32)) / 2**32 - 0.5).reshape(shape)


def weight(*shape):
    values = take(*shape) * 2.5 / np.sqrt(np.prod(shape[1:]))
    return values.astype(np.float32).astype(float)


def convolve(x, w, stride=1, groups=1):
    out, _, k, _ = w.shape
    n, channels, height, width = x.shape
    p = k // 2
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    rows, columns = (height - 1) // stride + 1, (width - 1) // stride + 1
    y = np.zeros((n, out, rows, columns))
    for dy in range(k):
        for dx in range(k):
            part = x[:, :, dy:dy + stride * rows:stride, dx:dx + stride * columns:stride]
            part = part[:, :, :rows, :columns]
            if groups == 1:
                y += np.einsum("nchw,oc->nohw", part, w[:, :, dy, dx])
            else:
                y += part * w[:, 0, dy, dx][None, :, None, None]
    return y


def norm(x):
    c = x.shape[1]
    gamma = (1 + take(c)).astype(np.float32).astype(float)
    beta = take(c).astype(np.float32).astype(float)
    g = x.reshape(x.shape[0], 8, -1)
    g = (g - g.mean(2, keepdims=True)) / np.sqrt(g.var(2, keepdims=True) + 1e-5)
    return g.reshape(x.shape) * gamma[None, :, None, None] + beta[None, :, None, None]


def pool(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))


def relu(x):
    return np.maximum(x, 0)


def pepx(x, out):
    c = x.shape[1]
    x = relu(norm(convolve(x, weight(c // 4, c, 1, 1))))
    x = relu(norm(convolve(x, weight(c // 2, c // 4, 1, 1))))
    x = relu(norm(convolve(x, weight(c // 2, 1, 3, 3), groups=c // 2)))
    x = relu(norm(convolve(x, weight(c // 4, c // 2, 1, 1))))
    return norm(convolve(x, weight(out, c // 4, 1, 1)))


def biased(x, out, stride=1, kernel=1, groups=1):
    y = convolve(x, weight(out, x.shape[1] // groups, kernel, kernel), stride, groups)
    return y + take(out).astype(np.float32).astype(float)[None, :, None, None]


def prpe(x, out, stride):
    y = relu(biased(x, out // 4))
    y = np.concatenate([y, y, y, y], axis=1)
    y = relu(biased(y, out, stride, kernel=3, groups=out))
    y = norm(biased(biased(y, out // 4), out))
    changes = x.shape[1] != out or stride > 1
    return relu(y + (biased(x, out, stride) if changes else x))


def basic(x, out, stride):
    y = relu(norm(convolve(x, weight(out, x.shape[1], 3, 3), stride)))
    y = norm(convolve(y, weight(out, out, 3, 3)))
    changes = x.shape[1] != out or stride > 1
    return relu(y + (norm(convolve(x, weight(out, x.shape[1], 1, 1), stride)) if changes else x))


def wide_pool(x):  # 3x3, stride 2, padding 1
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    size = (x.shape[2] - 3) // 2 + 1
    parts = [x[:, :, i:i + 2 * size:2, j:j + 2 * size:2][:, :, :size, :size]
             for i in range(3) for j in range(3)]
    return np.max(parts, axis=0)


stripes = (np.arange(SIZE * SIZE) * 0.618034 % 1).reshape(SIZE, SIZE)
ramp = np.arange(SIZE)[:, None] * np.arange(SIZE)[None, :] / 1024
image = np.stack([stripes, ramp]).astype(np.float32).astype(float)[:, None]
x = relu(norm(convolve(np.repeat(image, 3, 1), weight(STEM, 3, 7, 7), stride=2)))
if NAME != "covidnet-nano":
    x = wide_pool(x) if NAME == "resnet18" else pool(x)
for stage, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS)):
    if NAME != "covidnet-nano":
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            x = (basic if NAME == "resnet18" else prpe)(x, width, stride)
        continue
    total = pepx(pool(x), width)
    for _ in range(blocks - 1):
        total = total + pepx(relu(total), width)
    x = total
features = x.mean((2, 3))
w = weight(CLASSES, features.shape[1])
bias = take(CLASSES).astype(np.float32).astype(float)
print("# forward_reference.py, numpy float64: logits [2 images, 2 classes]; then n_params")
for row in features @ w.T + bias:
    print(*(f"{value:.9f}" for value in row))
print(position)
