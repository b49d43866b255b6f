"""secagg_server/N/P/0: a server takes N self masks out of the sum, from seeds that it has, and
makes the mean, against
the same steps with Flower's own SecAgg+ functions. The bound is AES in registers
on all cores; masks are 4 bytes a coordinate and site.
"""
import side_by_side

SIZES = [(10, 1_400_000), (50, 1_400_000), (50, 12_000_000)]


def main():
    options = side_by_side.options_of(__doc__)
    side_by_side.warn_of_load()
    # Flower quantises to 8 * 2 / 2^22 with random rounding: 3.8e-6.
    side_by_side.finish(options, side_by_side.compare_vectors(
        options, SIZES, "secagg_server", ["flwr"], lambda n_sites, n_params: 4 * n_sites * n_params,
        suffix="/0", tolerance=1e-5, runs=3))


if __name__ == "__main__":
    main()
