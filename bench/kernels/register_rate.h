// The bound of mask expansion: what the instructions of a suite do when only registers are touched.
#ifndef HILUM_BENCH_KERNELS_REGISTER_RATE_H_
#define HILUM_BENCH_KERNELS_REGISTER_RATE_H_

#include <functional>

#include "kernels/keystream.h"

namespace hilum::kernels {

// Best bytes a second of several calls of `pass`, each of which makes `bytes`.
double BestRate(double bytes, const std::function<void()>& pass);

// Keystream bytes a second of one thread, in the widest instructions in use; measured once in this
// run. 0: this processor lacks the suite's instructions.
double RegisterRate(MaskSuite suite);

}  // namespace hilum::kernels

#endif  // HILUM_BENCH_KERNELS_REGISTER_RATE_H_
