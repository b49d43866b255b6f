// Hilum's side of a comparison: loads the inputs that the driver wrote, and runs one operation each
// time it is told to, so that both sides can take turns (bench/peers/side_by_side.py).
//
// peer_worker OP N P BUFFERS FILE: N sites with P float32 each; site i is buffer i % BUFFERS of
// FILE. Then one command a line on standard input, one answer a line on standard output:
//   run          seconds of one run
//   write FILE   writes the last result; "written"
//   bound        bytes a second, on all cores: of reading the memory, but for secagg_server of AES
//                keystream in registers
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "bench/kernels/register_rate.h"
#include "bench/roofline.h"
#include "kernels/cpu.h"
#include "kernels/dequantize.h"
#include "kernels/gram.h"
#include "kernels/keystream.h"
#include "kernels/krum.h"
#include "kernels/trimmed_mean.h"
#include "kernels/weighted_mean.h"

namespace hilum::bench {
namespace {

struct Inputs {
  std::vector<std::span<const float>> updates;
  std::vector<double> weights;  // 100 + site, as every peer gets them
  int64_t n_faulty = 0;         // (N - 3) / 4
  int64_t n_trimmed = 0;        // N / 5
};

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "peer_worker: " << why << "\n";
  std::exit(1);
}

void Must(const absl::Status& status) {
  if (!status.ok()) Die(std::string(status.message()));
}

// Private pages of the file, all of them touched before any clock runs.
const float* Map(const char* name, size_t bytes) {
  const int file = open(name, O_RDONLY);
  struct stat about;
  if (file < 0 || fstat(file, &about) != 0 || static_cast<size_t>(about.st_size) < bytes) {
    Die(std::string(name) + " is missing or too short");
  }
  void* at = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (at == MAP_FAILED) Die(std::string("cannot map ") + name);
  close(file);
  return static_cast<const float*>(at);
}

Inputs Load(int64_t n_sites, int64_t n_params, int64_t n_buffers, const char* file) {
  const float* values = Map(file, static_cast<size_t>(n_buffers * n_params) * sizeof(float));
  Inputs inputs;
  for (int64_t i = 0; i < n_sites; ++i) {
    inputs.updates.emplace_back(values + (i % n_buffers) * n_params, static_cast<size_t>(n_params));
    inputs.weights.push_back(100.0 + static_cast<double>(i));
  }
  inputs.n_faulty = std::max<int64_t>(1, (n_sites - 3) / 4);
  inputs.n_trimmed = n_sites / 5;
  return inputs;
}

using Operation = std::function<void(const Inputs&, std::span<float> result)>;

constexpr double kScale = 1 << 18;

// The self masks of the sites, from their seeds.
kernels::MaskKeys MasksOf(size_t n_sites, int sign) {
  std::vector<std::array<uint8_t, kernels::kMaskKeyBytes>> seeds(n_sites);
  std::vector<kernels::MaskKey> keys;
  for (size_t i = 0; i < n_sites; ++i) {
    seeds[i][0] = static_cast<uint8_t>(i);
    keys.push_back({.bytes = seeds[i], .sign = sign});
  }
  auto masks = kernels::MaskKeys::Create(keys, {});
  Must(masks.status());
  return *std::move(masks);
}

// What a server does when all sites answered: N self masks, made from their reconstructed seeds,
// leave the sum, and the mean comes out. The sum of N equal vectors stands for the sites' inputs.
Operation Unmask(const Inputs& inputs) {
  const size_t n_sites = inputs.updates.size();
  std::vector<uint32_t> masked;
  for (const float value : inputs.updates.front()) {
    masked.push_back(
        static_cast<uint32_t>(std::lrint(value * kScale) * static_cast<int64_t>(n_sites)));
  }
  Must(kernels::KeystreamAdd(masked, MasksOf(n_sites, 1), 0, kernels::Device()));
  return [masked](const Inputs& in, std::span<float> result) {
    std::vector<uint32_t> ring = masked;
    const kernels::MaskKeys masks = MasksOf(in.updates.size(), -1);
    Must(kernels::KeystreamAdd(ring, masks, 0, kernels::Device()));
    std::fill(result.begin(), result.end(), 0.0f);
    const double gain = 1.0 / (kScale * static_cast<double>(in.updates.size()));
    Must(kernels::AddMean(ring, {.ring_bits = 32, .gain = gain}, 1.0, result, kernels::Device()));
  };
}

void Krum(const Inputs& inputs, std::span<float> result) {
  const auto gram = kernels::Gram(inputs.updates, kernels::Device());
  Must(gram.status());
  const auto chosen = kernels::KrumSelect(kernels::SquaredDistances(*gram),
                                          {.n_faulty = inputs.n_faulty, .n_selected = 1});
  Must(chosen.status());
  const std::span<const float> winner = inputs.updates[static_cast<size_t>(chosen->front())];
  std::copy(winner.begin(), winner.end(), result.begin());
}

const std::map<std::string, Operation>& Operations() {
  static const std::map<std::string, Operation> operations = {
      {"weighted_sum",
       [](const Inputs& in, std::span<float> result) {
         Must(kernels::WeightedMean(in.updates, in.weights, result, kernels::Device()));
       }},
      {"krum", Krum},
      {"median",
       [](const Inputs& in, std::span<float> result) {
         Must(kernels::CoordinateMedian(in.updates, result, kernels::Device()));
       }},
      {"trimmed_mean",
       [](const Inputs& in, std::span<float> result) {
         Must(kernels::TrimmedMean(in.updates, in.n_trimmed, result, kernels::Device()));
       }},
  };
  return operations;
}

Operation Find(const std::string& name, const Inputs& inputs) {
  if (name == "secagg_server") return Unmask(inputs);
  const auto found = Operations().find(name);
  if (found == Operations().end()) Die("there is no operation " + name);
  return found->second;
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int Serve(const Operation& operation, const Inputs& inputs, std::vector<float> result,
          const std::function<double()>& bound) {
  std::printf("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "run") {
      std::printf("%.9f\n", Seconds([&] { operation(inputs, result); }));
    } else if (line == "bound") {
      std::printf("%.0f\n", bound());
    } else if (line.starts_with("write ")) {
      std::ofstream(line.substr(6), std::ios::binary)
          .write(reinterpret_cast<const char*>(result.data()),
                 static_cast<std::streamsize>(result.size() * sizeof(float)));
      std::printf("written\n");
    } else {
      Die("unknown command " + line);
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace hilum::bench

int main(int argc, char** argv) {
  using namespace hilum;  // NOLINT: main is outside
  if (argc != 6) {
    std::cerr << "usage: peer_worker weighted_sum|krum|median|trimmed_mean|secagg_server N P "
                 "BUFFERS FILE\n";
    return 2;
  }
  const std::string operation = argv[1];
  const int64_t n_params = std::stoll(argv[3]);
  const bench::Inputs inputs =
      bench::Load(std::stoll(argv[2]), n_params, std::stoll(argv[4]), argv[5]);
  return bench::Serve(bench::Find(operation, inputs), inputs,
                      std::vector<float>(static_cast<size_t>(n_params)), [&operation] {
                        return operation == "secagg_server"
                                   ? kernels::CpuThreads() *
                                         kernels::RegisterRate(kernels::MaskSuite::kAes256Ctr)
                                   : bench::MeasuredBound().read;
                      });
}
