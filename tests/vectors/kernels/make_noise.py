"""Prints discrete_gaussian_noise.txt: what DiscreteGaussian::AddNoise adds to zeros, by Python's
fractions on the keystream of an independent ChaCha20 (RFC 8439).

Samples 64 r to 64 r + 63 take their words from the keystream of nonce r, from block 0 on.
"""
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from make_gaussian import Words, sample

RUN = 64


class KeystreamWords(Words):
    """The words of one run, as make_gaussian.py takes them."""

    def __init__(self, key, run):
        nonce = struct.pack("<IIQ", 0, run & 0xFFFFFFFF, run >> 32)  # counter, then 96 bits
        stream = Cipher(algorithms.ChaCha20(key, nonce), None).encryptor()
        self.words = (struct.unpack("<I", stream.update(bytes(4)))[0] << 32
                      for _ in iter(int, None))


def noise(key_words, num, den, n):
    key = struct.pack("<8I", *key_words)
    values = []
    for run in range((n + RUN - 1) // RUN):
        words = KeystreamWords(key, run)
        values += [sample(words, num, den) for _ in range(min(RUN, n - run * RUN))]
    return values


def main():
    print("# Made by make_noise.py of this folder; this project's own, Apache-2.0.")
    print("# first word of the key (the others are 1 to 7), numerator and denominator of sigma^2,")
    print("# samples")
    for first, (num, den) in enumerate([(1, 4), (100, 1), (10**7 + 1, 3), (1 << 54, 1)]):
        print(first, num, den, *noise([first, *range(1, 8)], num, den, 2 * RUN + 3))


if __name__ == "__main__":
    main()
