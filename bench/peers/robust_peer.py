"""krum, median and trimmed_mean of 50 updates of 1.4 M parameters, against Flower's functions and
plain NumPy. The bound is one reading of all updates.
"""
import side_by_side

SIZES = [(10, 1_400_000), (50, 1_400_000)]


def main():
    options = side_by_side.options_of(__doc__)
    side_by_side.warn_of_load()
    rows = []
    for operation in ("krum", "median", "trimmed_mean"):
        rows += side_by_side.compare_vectors(
            options, SIZES, operation, ["flwr", "numpy"],
            lambda n_sites, n_params: 4 * n_sites * n_params + 4 * n_params)
    side_by_side.finish(options, rows)


if __name__ == "__main__":
    main()
