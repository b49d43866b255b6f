"""Prints discrete_gaussian.txt: Canonne, Kamath, Steinke 2020, algorithms 1 to 3, with Python's
fractions, on the words that kernels/discrete_gaussian.cc takes.

Word j of the stream is the upper half of the j-th output of SplitMix64(seed). A trial "U < n, U
uniform below d" draws U with the bit length of d - 1, its upper 32 bits (or fewer) first, from the
upper bits of one word each, and stops as soon as these decide.
"""
from fractions import Fraction
from math import isqrt

from make_tags import split_mix


class Words:
    def __init__(self, seed):
        self.words = split_mix(seed, 10**9)

    def bits(self, n):
        return (next(self.words) >> 32) >> (32 - n)

    def uniform(self, d):
        while True:
            u = self.bits((d - 1).bit_length()) if d > 1 else 0
            if u < d:
                return u

    def bernoulli(self, p):
        """p = n / d as given, not reduced: what is drawn depends on d."""
        n, d = p
        if d == 1:
            return n == 1
        bits = (d - 1).bit_length()
        rest = max(bits - 32, 0)
        while True:
            u = self.bits(bits - rest)
            lowest, highest = u << rest, (u << rest) + (1 << rest) - 1
            if u > (d - 1) >> rest:
                continue
            if u != n >> rest and u != (d - 1) >> rest:
                assert highest < n or lowest >= n
                return highest < n
            left = rest
            while left > 0:
                taken = min(left, 32)
                u = (u << taken) | self.bits(taken)
                left -= taken
            if u < d:
                return u < n


def exp_at_most_one(words, p):
    k = 1
    while words.bernoulli(p) and words.bernoulli((1, k)):
        k += 1
    return k % 2 == 1


def exp(words, n, d):
    while n > d:
        if not exp_at_most_one(words, (1, 1)):
            return False
        n -= d
    return exp_at_most_one(words, (n, d))


def sample(words, num, den):
    t = isqrt(num // den) + 1
    variance = Fraction(num, den)
    while True:
        u = words.uniform(t)
        if not exp_at_most_one(words, (u, t)):
            continue
        v = 0
        while exp_at_most_one(words, (1, 1)):
            v += 1
        negative = words.bernoulli((1, 2))
        y = u + t * v
        if negative and y == 0:
            continue
        n, d = (y * den * t - num) ** 2, 2 * num * den * t * t
        assert Fraction(n, d) == (y - variance / t) ** 2 / (2 * variance)
        if exp(words, n, d):
            return -y if negative else y


def main():
    print("# Made by make_gaussian.py of this folder; this project's own, Apache-2.0.")
    print("# seed, numerator and denominator of sigma^2, samples")
    cases = [(1, 4), (1, 1), (3, 2), (100, 1), (10**7 + 1, 3), (1 << 54, 1), (1, 1 << 20),
             ((1 << 54) - 1, (1 << 20) - 1)]
    for seed, (num, den) in enumerate(cases):
        words = Words(seed)
        print(seed, num, den, *(sample(words, num, den) for _ in range(40)))


if __name__ == "__main__":
    main()
