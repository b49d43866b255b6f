"""Prints tags.txt: the tags of secure_aggregation.md, section 8, by Python's integers alone.

Word j is the upper half of the j-th output of SplitMix64(seed); sum j is an output divided by 2^16.
"""
P = 2**61 - 1
MASK = 2**64 - 1


def split_mix(seed, n):
    state = seed
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def tags(values, points):
    return [sum(v * pow(point, j, P) for j, v in enumerate(values)) % P for point in points]


def main():
    print("# Made by make_tags.py of this folder; this project's own, Apache-2.0.")
    print("# kind, seed, n, 3 points, 3 tags")
    points = [p % P for p in split_mix(99, 3)]
    cases = [(0, points), (1, points), (2, points), (3, [0, 1, P - 1]), (1000, points),
             (4097, points), (20000, [2, 3, P - 2])]
    for seed, (n, at) in enumerate(cases):
        outputs = list(split_mix(seed, n))
        for kind, values in (("words", [v >> 32 for v in outputs]),
                             ("sums", [v >> 16 for v in outputs])):
            print(kind, seed, n, *at, *tags(values, at))


if __name__ == "__main__":
    main()
