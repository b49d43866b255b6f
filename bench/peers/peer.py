"""A peer's side of a comparison; runs inside the peer's own virtual environment.

Usage: peer.py PEER OP N P BUFFERS FILE, then the commands of bench/peers/worker.cc on standard
input (run K, write FILE). Each peer is called as its documentation says, in its fastest setting,
with the updates in memory and as a list of tensors shaped like a real network.
"""
import logging
import math
import sys
import time

import numpy as np

SMALL = [(32, 1, 7, 7), (32,), (64, 32, 3, 3), (64,), (128, 64, 3, 3), (128,), (256, 128, 3, 3),
         (256,), (256, 256, 3, 3), (256,), (128, 1024), (128,)]


def resnet18():
    shapes, channels = [(64, 1, 7, 7), (64,), (64,)], 64
    for width in (64, 128, 256, 512):
        for _ in range(2):
            shapes += [(width, channels, 3, 3), (width,), (width,), (width, width, 3, 3), (width,),
                       (width,)]
            if channels != width:
                shapes += [(width, channels, 1, 1), (width,), (width,)]
            channels = width
    return shapes + [(3, 512), (3,)]


def vit_base():
    block = [(2304, 768), (2304,), (768, 768), (768,), (768,), (768,), (3072, 768), (3072,),
             (768, 3072), (768,), (768,), (768,)]
    return [(768, 3, 16, 16), (768,), (197, 768)] + 12 * block


def shapes_of(n_params):
    """Tensors of a network of about this size; the last one fills up."""
    shapes = SMALL if n_params < 5e6 else resnet18() if n_params < 5e7 else vit_base()
    rest = n_params - sum(math.prod(shape) for shape in shapes)
    if rest < 0:
        return [(n_params,)]
    return shapes + ([(rest,)] if rest else [])


def tensors_of(vector):
    cut, tensors = 0, []
    for shape in shapes_of(len(vector)):
        size = math.prod(shape)
        tensors.append(vector[cut:cut + size].reshape(shape))
        cut += size
    return tensors


def flat(tensors):
    return np.concatenate([np.asarray(tensor, dtype=np.float32).ravel() for tensor in tensors])


class FlowerMessage:
    """One reply as the strategy reads it."""

    def __init__(self, content):
        self.content = content

    @staticmethod
    def has_error():
        return False


CLIPPING, TARGET, MODULUS = 8.0, 2 ** 22, 2 ** 32  # defaults of Flower's SecAggPlusWorkflow


def flwr_masks(vector, seeds, sign):
    """Adds the masks of all seeds, or takes them off, with Flower's own functions."""
    # pylint: disable=import-error
    from flwr.common.secure_aggregation import ndarrays_arithmetic as arithmetic
    from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
    combine = arithmetic.parameters_addition if sign > 0 else arithmetic.parameters_subtraction
    for seed in seeds:
        vector = combine(vector, pseudo_rand_gen(seed, MODULUS,
                                                 arithmetic.get_parameters_shape(vector)))
    return arithmetic.parameters_mod(vector, MODULUS)


def flwr_mean(vector, n_sites):
    # pylint: disable=import-error
    from flwr.common.secure_aggregation import ndarrays_arithmetic as arithmetic
    from flwr.common.secure_aggregation.quantization import dequantize
    factor, vector = arithmetic.factor_extract(vector)
    mean = dequantize(vector, CLIPPING, TARGET)
    for tensor in mean:
        tensor += -(n_sites - 1) * CLIPPING
        tensor *= 1 / factor
    return mean


def flwr_quantized(update, n_sites):
    # pylint: disable=import-error
    from flwr.common.secure_aggregation import ndarrays_arithmetic as arithmetic
    from flwr.common.secure_aggregation.quantization import quantize
    quantized = arithmetic.parameters_multiply(quantize(update, CLIPPING, TARGET), n_sites)
    return arithmetic.factor_combine(n_sites, quantized)


def seeds_of(n_masks):
    return [bytes([number % 256, number // 256]) * 16 for number in range(n_masks)]


def flwr_unmask(update, n_sites, n_dropped):
    """The arithmetic of SecAggPlusWorkflow.unmask_stage, call for call, without its reconstruction
    of seeds from shares: less than the stage costs. All sites are neighbours.
    """
    n_counted = n_sites - n_dropped
    seeds = seeds_of(n_counted + n_dropped * n_counted)
    masked = flwr_masks(flwr_quantized(update, n_counted), seeds, 1)
    return (lambda: flwr_mean(flwr_masks(masked, seeds, -1), n_counted)), lambda result: result


def flwr_mask(update, n_sites):
    """The arithmetic of a site in secaggplus_mod: quantise, add its own and the pairwise masks."""
    seeds = seeds_of(n_sites)
    return (lambda: flwr_masks(flwr_quantized(update, 1), seeds, 1),
            lambda result: flwr_mean(flwr_masks(result, seeds, -1), 1))


def flwr(operation, updates, weights):
    if operation == "secagg_client":
        return flwr_mask(updates[0], len(updates))
    if operation.startswith("secagg_server/"):
        return flwr_unmask(updates[0], len(updates), int(operation.rpartition("/")[2]))
    logging.getLogger("flwr").setLevel(logging.ERROR)
    if operation == "weighted_sum":  # the Message API's path: aggregate_train of its FedAvg
        # pylint: disable=import-error
        from flwr.app import ArrayRecord, MetricRecord, RecordDict
        from flwr.serverapp.strategy import FedAvg
        records = {}
        messages = []
        for tensors, weight in zip(updates, weights):
            if id(tensors) not in records:
                records[id(tensors)] = ArrayRecord([np.ascontiguousarray(t) for t in tensors])
            metrics = MetricRecord({"num-examples": weight, "loss": 0.5})
            messages.append(FlowerMessage(RecordDict({"arrays": records[id(tensors)],
                                                      "metrics": metrics})))
        updates.clear()
        strategy = FedAvg()
        return (lambda: strategy.aggregate_train(1, messages),
                lambda result: [array.numpy() for array in result[0].values()])
    from flwr.server.strategy import aggregate as functions
    results = list(zip(updates, weights))
    n_faulty = max(1, (len(results) - 3) // 4)
    call = {"krum": lambda: functions.aggregate_krum(results, n_faulty, 0),
            "median": lambda: functions.aggregate_median(results),
            "trimmed_mean": lambda: functions.aggregate_trimmed_avg(results, 0.2)}[operation]
    return call, lambda result: result


def nvflare(_operation, updates, weights):
    # pylint: disable=import-error
    from nvflare.app_common.aggregators.weighted_aggregation_helper import WeightedAggregationHelper
    sites = [{f"t{i}": tensor for i, tensor in enumerate(tensors)} for tensors in updates]

    def run():
        helper = WeightedAggregationHelper()
        for number, (site, weight) in enumerate(zip(sites, weights)):
            helper.add(site, weight, f"site-{number}", 1)
        return helper.get_result()
    return run, lambda result: [result[name] for name in sites[0]]


def krum_by_gram(rows):
    """Squared distances from one matrix product by BLAS on all cores."""
    n_sites = len(rows)
    nearest = n_sites - max(1, (n_sites - 3) // 4) - 2

    def run():
        gram = rows @ rows.T
        norms = np.diag(gram)
        distances = norms[:, None] + norms[None, :] - 2 * gram
        np.fill_diagonal(distances, np.inf)
        return [rows[np.sort(distances, axis=1)[:, :nearest].sum(axis=1).argmin()]]
    return run, lambda result: result


def numpy(operation, updates, weights):
    if operation == "weighted_sum":
        total = float(sum(weights))

        def run():  # in place: no temporary of the size of the model beside one
            sums = [np.multiply(tensor, np.float32(weights[0] / total)) for tensor in updates[0]]
            spare = [np.empty_like(tensor) for tensor in sums]
            for tensors, weight in zip(updates[1:], weights[1:]):
                for tensor, into, product in zip(tensors, sums, spare):
                    np.multiply(tensor, np.float32(weight / total), out=product)
                    np.add(into, product, out=into)
            return sums
        return run, lambda result: result
    if operation == "krum":
        return krum_by_gram(np.stack([flat(tensors) for tensors in updates]))
    per_tensor = [np.stack(tensors) for tensors in zip(*updates)]
    n_trimmed = len(updates) // 5
    if operation == "median":
        return (lambda: [np.median(stack, axis=0) for stack in per_tensor]), lambda result: result

    def trimmed():
        keep = slice(n_trimmed, len(updates) - n_trimmed)
        return [np.partition(stack, (n_trimmed, len(updates) - n_trimmed - 1), axis=0)[keep]
                .mean(axis=0) for stack in per_tensor]
    return trimmed, lambda result: result


def main():
    peer, operation, n_sites, n_params, n_buffers, file = sys.argv[1:]
    n_sites, n_params, n_buffers = int(n_sites), int(n_params), int(n_buffers)
    values = np.memmap(file, dtype=np.float32, mode="r", shape=(n_buffers, n_params))
    buffers = [tensors_of(np.asarray(values[i])) for i in range(n_buffers)]
    weights = [100 + i for i in range(n_sites)]
    prepare = {"flwr": flwr, "nvflare": nvflare, "numpy": numpy}[peer]
    sets = [prepare(operation, [buffers[(first + i) % n_buffers] for i in range(n_sites)], weights)
            for first in range(0, max(1, n_buffers // n_sites) * n_sites, n_sites)]
    tensors = sets[0][1]
    print("ready", flush=True)
    result = None
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "run":
            result = None
            run = sets[int(argument)][0]
            start = time.perf_counter()
            result = run()
            print(f"{time.perf_counter() - start:.9f}", flush=True)
        elif command == "write":
            flat(tensors(result)).tofile(argument)
            print("written", flush=True)


if __name__ == "__main__":
    main()
