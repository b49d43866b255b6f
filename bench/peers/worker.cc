// Hilum's side of a comparison: loads the inputs that the driver wrote, and runs one operation each
// time it is told to, so that both sides can take turns (bench/peers/side_by_side.py).
//
// peer_worker OP N P BUFFERS FILE: N sites with P float32 each. FILE holds BUFFERS updates: of
// BUFFERS / N sets of sites, or, where there are fewer than N, site i is buffer i % BUFFERS. Then
// one command a line on standard input, one answer a line on standard output:
//   run K        seconds of one run over set K
//   write FILE   writes the last result; "written"
//   bound        bytes a second, on all cores: of reading the memory, but for secagg_* of AES
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
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bench/kernels/register_rate.h"
#include "bench/roofline.h"
#include "kernels/cpu.h"
#include "kernels/dequantize.h"
#include "kernels/gram.h"
#include "kernels/keystream.h"
#include "kernels/krum.h"
#include "kernels/quantize.h"
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

std::vector<Inputs> Load(int64_t n_sites, int64_t n_params, int64_t n_buffers, const char* file) {
  const float* values = Map(file, static_cast<size_t>(n_buffers * n_params) * sizeof(float));
  std::vector<Inputs> sets(static_cast<size_t>(std::max<int64_t>(1, n_buffers / n_sites)));
  int64_t buffer = 0;
  for (Inputs& inputs : sets) {
    for (int64_t i = 0; i < n_sites; ++i, buffer = (buffer + 1) % n_buffers) {
      inputs.updates.emplace_back(values + buffer * n_params, static_cast<size_t>(n_params));
      inputs.weights.push_back(100.0 + static_cast<double>(i));
    }
    inputs.n_faulty = std::max<int64_t>(1, (n_sites - 3) / 4);
    inputs.n_trimmed = n_sites / 5;
  }
  return sets;
}

struct Operation {
  std::function<void(const Inputs&, std::span<float> result)> run;
  std::function<void(std::span<float> result)> finish;  // off the clock, before `write`
};

constexpr double kScale = 1 << 18;

// Masks from seeds 0, 1, ... up to `n_masks`.
kernels::MaskKeys Masks(size_t n_masks, int sign) {
  std::vector<std::array<uint8_t, kernels::kMaskKeyBytes>> seeds(n_masks);
  std::vector<kernels::MaskKey> keys;
  for (size_t i = 0; i < n_masks; ++i) {
    seeds[i] = {static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8)};
    keys.push_back({.bytes = seeds[i], .sign = sign});
  }
  auto masks = kernels::MaskKeys::Create(keys, {});
  Must(masks.status());
  return *std::move(masks);
}

void TakeMasksOff(std::span<uint32_t> ring, size_t n_masks) {
  Must(kernels::KeystreamAdd(ring, Masks(n_masks, -1), 0, kernels::Device()));
}

// ring / (scale * n_sites), as floats.
void MeanOf(std::span<const uint32_t> ring, size_t n_sites, std::span<float> result) {
  std::fill(result.begin(), result.end(), 0.0f);
  const double gain = 1.0 / (kScale * static_cast<double>(n_sites));
  Must(kernels::AddMean(ring, {.ring_bits = 32, .gain = gain}, 1.0, result, kernels::Device()));
}

// What a server does when `n_dropped` sites of a complete graph are gone after they shared: the
// self masks of those that answered and the masks between them and the dropped, made from their
// reconstructed seeds, leave the sum, and the mean comes out. The sum of equal vectors stands for
// the sites' inputs.
Operation Unmask(const Inputs& inputs, size_t n_dropped) {
  const size_t n_counted = inputs.updates.size() - n_dropped;
  const size_t n_masks = n_counted + n_dropped * n_counted;
  std::vector<uint32_t> masked;
  for (const float value : inputs.updates.front()) {
    masked.push_back(
        static_cast<uint32_t>(std::lrint(value * kScale) * static_cast<int64_t>(n_counted)));
  }
  Must(kernels::KeystreamAdd(masked, Masks(n_masks, 1), 0, kernels::Device()));
  return {.run =
              [masked, n_masks, n_counted](const Inputs&, std::span<float> result) {
                std::vector<uint32_t> ring = masked;
                TakeMasksOff(ring, n_masks);
                MeanOf(ring, n_counted, result);
              },
          .finish = [](std::span<float>) {}};
}

// What a site does: its update is quantised, and its self mask and the masks that it shares with
// all others come upon it. The result is what remains when they are taken off again.
Operation Mask(const Inputs& inputs) {
  const size_t n_masks = inputs.updates.size();
  const auto ring = std::make_shared<std::vector<uint32_t>>(inputs.updates.front().size());
  std::vector<uint32_t> random_words(ring->size());
  std::mt19937 random(1);
  for (uint32_t& word : random_words) word = random();
  return {.run =
              [ring, random_words, n_masks](const Inputs& in, std::span<float>) {
                Must(kernels::Quantize(
                    in.updates.front(), random_words,
                    {.weight = 1.0, .scale = kScale, .value_bits = 26, .ring_bits = 32}, *ring,
                    kernels::Device()));
                Must(kernels::KeystreamAdd(*ring, Masks(n_masks, 1), 0, kernels::Device()));
              },
          .finish =
              [ring, n_masks](std::span<float> result) {
                std::vector<uint32_t> open = *ring;
                TakeMasksOff(open, n_masks);
                MeanOf(open, 1, result);
              }};
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

using Run = void (*)(const Inputs&, std::span<float> result);

const std::map<std::string, Run>& Runs() {
  static const std::map<std::string, Run> runs = {
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
  return runs;
}

bool IsMasking(const std::string& name) { return name.starts_with("secagg_"); }

Operation Find(const std::string& name, const Inputs& inputs) {
  constexpr std::string_view kServer = "secagg_server/";
  if (name == "secagg_client") return Mask(inputs);
  if (name.starts_with(kServer)) return Unmask(inputs, std::stoul(name.substr(kServer.size())));
  const auto found = Runs().find(name);
  if (found == Runs().end()) Die("there is no operation " + name);
  return {.run = found->second, .finish = [](std::span<float>) {}};
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int Serve(const Operation& operation, const std::vector<Inputs>& sets, std::vector<float> result,
          const std::function<double()>& bound) {
  std::printf("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (line.starts_with("run ")) {
      const Inputs& inputs = sets.at(std::stoul(line.substr(4)));
      std::printf("%.9f\n", Seconds([&] { operation.run(inputs, result); }));
    } else if (line == "bound") {
      std::printf("%.0f\n", bound());
    } else if (line.starts_with("write ")) {
      operation.finish(result);
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
    std::cerr << "usage: peer_worker weighted_sum|krum|median|trimmed_mean|secagg_server/DROPS|"
                 "secagg_client N P BUFFERS FILE\n";
    return 2;
  }
  const std::string operation = argv[1];
  const int64_t n_params = std::stoll(argv[3]);
  const std::vector<bench::Inputs> sets =
      bench::Load(std::stoll(argv[2]), n_params, std::stoll(argv[4]), argv[5]);
  return bench::Serve(bench::Find(operation, sets.front()), sets,
                      std::vector<float>(static_cast<size_t>(n_params)), [&operation] {
                        return bench::IsMasking(operation)
                                   ? kernels::CpuThreads() *
                                         kernels::RegisterRate(kernels::MaskSuite::kAes256Ctr)
                                   : bench::MeasuredBound().read;
                      });
}
