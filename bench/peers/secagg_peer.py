"""secagg_server/N/P/DROPS: a server takes the masks out of the sum, from seeds that it has, and
makes the mean; secagg_client/N/P: a site quantises and masks its update for N sites. Both against
the same steps with Flower's own SecAgg+ functions, all sites being neighbours. The bound is AES in
registers on all cores; masks are 4 bytes a coordinate.
"""
import side_by_side

SERVER_SIZES = {0: [(10, 1_400_000), (50, 1_400_000), (50, 12_000_000)], 5: [(50, 12_000_000)]}
CLIENT_SIZES = [(10, 1_400_000), (50, 12_000_000)]
RUNS = {0: 3, 5: 1}  # Flower takes minutes for the masks of five dropped sites
TOLERANCE = 1e-5  # Flower quantises to 8 * 2 / 2^22 with random rounding: 3.8e-6


def main():
    options = side_by_side.options_of(__doc__)
    side_by_side.warn_of_load()
    rows = []
    for drops, sizes in SERVER_SIZES.items():
        rows += side_by_side.compare_vectors(
            options, sizes, "secagg_server", ["flwr"],
            lambda n_sites, n_params, drops=drops: 4 * (n_sites - drops) * (1 + drops) * n_params,
            suffix=f"/{drops}", tolerance=TOLERANCE, runs=RUNS[drops],
            in_turn=False)
    rows += side_by_side.compare_vectors(
        options, CLIENT_SIZES, "secagg_client", ["flwr"],
        lambda n_sites, n_params: 4 * n_sites * n_params, tolerance=TOLERANCE, runs=3,
        in_turn=False)
    side_by_side.finish(options, rows)


if __name__ == "__main__":
    main()
