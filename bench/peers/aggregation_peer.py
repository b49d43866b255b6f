"""weighted_sum/N/P: the weighted mean of N float updates of P parameters, against Flower's Message
API (FedAvg.aggregate_train), NVFlare's WeightedAggregationHelper and plain NumPy.
"""
import side_by_side

SIZES = [(10, 1_400_000), (50, 1_400_000), (200, 1_400_000), (10, 12_000_000), (50, 12_000_000),
         (200, 12_000_000), (10, 100_000_000)]


def main():
    options = side_by_side.options_of(__doc__)
    side_by_side.warn_of_load()
    side_by_side.finish(options, side_by_side.compare_vectors(
        options, SIZES, "weighted_sum", ["flwr", "nvflare", "numpy"],
        lambda n_sites, n_params: 4 * n_sites * n_params + 4 * n_params))


if __name__ == "__main__":
    main()
