// Prints one line for each kernel: a hash of what it makes of fixed inputs. Every compiler, every
// instruction set and every number of threads must print the same lines.
//
//   kernel_fingerprints [EXPECTED]   with a file: exit code 1 and the lines that differ
#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/seeded_random.h"
#include "kernels/clip.h"
#include "kernels/cpu.h"
#include "kernels/dequantize.h"
#include "kernels/discrete_gaussian.h"
#include "kernels/gram.h"
#include "kernels/integer_sum.h"
#include "kernels/keystream.h"
#include "kernels/krum.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"
#include "kernels/robust_mean.h"
#include "kernels/server_step.h"
#include "kernels/sum_of_squares.h"
#include "kernels/tag_polynomial.h"
#include "kernels/trimmed_mean.h"
#include "kernels/vector_sum.h"
#include "kernels/weighted_mean.h"

namespace hilum::kernels {
namespace {

constexpr size_t kParams = 70'001;  // several tiles of every kernel, and an odd tail
constexpr size_t kSites = 9;
constexpr int kRingBits = 29;
constexpr char kImpossible[] = " is not possible here";

std::vector<std::string> lines;

// FNV-1a, 64 bits (draft-eastlake-fnv): nobody attacks a test, and kernels/ needs no OpenSSL.
class Fingerprint {
 public:
  template <class T>
  void Add(std::span<const T> values) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (size_t i = 0; i < values.size_bytes(); ++i) hash_ = (hash_ ^ bytes[i]) * 0x100000001b3;
  }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325;
};

template <class T>
void Print(absl::string_view name, const std::vector<T>& values) {
  Fingerprint fingerprint;
  fingerprint.Add(std::span<const T>(values));
  lines.push_back(absl::StrFormat("%s %016x", name, fingerprint.hash()));
}

void Expect(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << std::endl;
  std::exit(2);
}

template <class T>
T Value(absl::StatusOr<T> value) {
  Expect(value.status());
  return *std::move(value);
}

std::vector<float> Floats(uint64_t seed, size_t n, double size = 1.0) {
  SeededRandom random(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(random.Uniform(-size, size));
  return values;
}

std::vector<uint32_t> Words(uint64_t seed, size_t n, int bits = 32) {
  SeededRandom random(seed);
  std::vector<uint32_t> values(n);
  for (uint32_t& value : values) value = static_cast<uint32_t>(random.Next() >> (64 - bits));
  return values;
}

void PrintVectors(Device cpu) {
  std::vector<float> clipped = Floats(1, kParams);
  Expect(ScaleInPlace(clipped, 0.37f, cpu));
  Print("scale_in_place", clipped);
  const Norms norms = Value(MeasureNorms(Floats(2, kParams), cpu));
  Print("measure_norms", std::vector<double>{norms.sum_of_squares, norms.max_abs});
  std::vector<uint32_t> ring(kParams);
  QuantizeOptions quantize;
  quantize.weight = 0.31;
  quantize.scale = 4.0015e6;
  quantize.value_bits = 25;
  quantize.ring_bits = kRingBits;
  quantize.clip_factor = 0.83f;
  Expect(Quantize(Floats(3, kParams), Words(4, kParams), quantize, ring, cpu));
  Print("quantize", ring);
  std::vector<double> mean(kParams);
  const DequantizeOptions dequantize{.ring_bits = kRingBits, .gain = 1.0 / 77'777};
  Expect(Dequantize(ring, dequantize, mean, cpu));
  Print("dequantize", mean);
  std::vector<float> model = Floats(5, kParams);
  Expect(AddMean(ring, dequantize, 0.9, model, cpu));
  Print("add_mean", model);
  for (const ServerRule rule :
       {ServerRule::kFedAdagrad, ServerRule::kFedAdam, ServerRule::kFedYogi}) {
    std::vector<float> m(kParams, 0.01f), v(kParams, 1e-6f);
    Expect(ServerStepFromRing(ring, dequantize, {.rule = rule, .rate = 0.1f}, {model, m, v}, cpu));
    Print(absl::StrCat("server_step/", static_cast<int>(rule)), model);
    Print(absl::StrCat("server_step_v/", static_cast<int>(rule)), v);
  }
}

void PrintRing(Device cpu) {
  std::vector<uint64_t> total(kParams, 5);
  Expect(AddWords(Words(6, kParams), total, cpu));
  Expect(SubtractWords(Words(7, kParams, 2), total, cpu));
  Print("add_words", total);
  const std::vector<uint32_t> a = Words(8, kParams), b = Words(9, kParams);
  const std::vector<std::span<const uint32_t>> both = {a, b};
  Expect(AddVectors(both, total, cpu));
  Print("add_vectors", total);
  std::vector<uint32_t> ring(kParams);
  Expect(ReduceToRing(total, kRingBits, ring, cpu));
  Print("reduce_to_ring", ring);
  std::vector<uint8_t> packed(static_cast<size_t>(PackedSizeBytes(kParams, kRingBits)));
  Expect(PackWords(ring, kRingBits, packed, cpu));
  Print("pack_words", packed);
  Expect(UnpackWords(packed, kRingBits, ring, cpu));
  Print("unpack_words", ring);
  const TagValues points = {12345, kTagPrime - 3, uint64_t{1} << 60};
  const TagValues tags = Value(EvaluateTags(std::span<const uint32_t>(ring), points, cpu));
  Print("tags", std::vector<uint64_t>(tags.begin(), tags.end()));
  const TagValues sums = Value(EvaluateTags(std::span<const uint64_t>(total), points, cpu));
  Print("tags_of_sums", std::vector<uint64_t>(sums.begin(), sums.end()));
}

void PrintMasks(Device cpu) {
  std::vector<std::vector<uint8_t>> bytes;
  std::vector<MaskKey> keys;
  for (uint8_t i = 0; i < 5; ++i) bytes.emplace_back(kMaskKeyBytes, static_cast<uint8_t>(3 * i));
  for (size_t i = 0; i < bytes.size(); ++i) {
    keys.push_back({std::span<const uint8_t, kMaskKeyBytes>(bytes[i].data(), kMaskKeyBytes),
                    i % 2 == 0 ? 1 : -1});
  }
  for (const MaskSuite suite : {MaskSuite::kAes256Ctr, MaskSuite::kChaCha20}) {
    absl::StatusOr<MaskKeys> masks =
        MaskKeys::Create(keys, {.suite = suite, .ring_bits = kRingBits});
    if (absl::IsFailedPrecondition(masks.status())) {  // a processor without AES instructions
      lines.push_back(absl::StrCat("keystream_add/", static_cast<int>(suite), kImpossible));
      continue;
    }
    Expect(masks.status());
    std::vector<uint32_t> tile = Words(10, kParams);
    Expect(KeystreamAdd(tile, *masks, 1'000'003, cpu));
    Print(absl::StrCat("keystream_add/", static_cast<int>(suite)), tile);
  }
  const DiscreteGaussian noise = Value(DiscreteGaussian::Create({123'457, 11}));
  std::vector<int64_t> samples(5000);
  SeededRandom random(11);
  noise.Sample(samples, [&](std::span<uint32_t> words) {
    for (uint32_t& word : words) word = static_cast<uint32_t>(random.Next() >> 32);
  });
  Print("discrete_gaussian", samples);
  std::vector<uint32_t> ring = Words(12, 5000);
  Expect(noise.AddNoise(ring, kRingBits, std::array<uint32_t, 8>{9, 8, 7, 6, 5, 4, 3, 2}, cpu));
  Print("add_noise", ring);
}

void PrintSites(Device cpu) {
  std::vector<std::vector<float>> memory;
  std::vector<std::span<const float>> updates;
  std::vector<double> weights;
  for (size_t i = 0; i < kSites; ++i) {
    memory.push_back(Floats(20 + i, kParams, i == 3 ? 50.0 : 1.0));
    weights.push_back(static_cast<double>(10 + 7 * i));
  }
  for (const std::vector<float>& site : memory) updates.emplace_back(site);
  std::vector<float> result(kParams);
  Expect(WeightedSum(updates, weights, result, cpu));
  Print("weighted_sum", result);
  Expect(WeightedMean(updates, weights, result, cpu));
  Print("weighted_mean", result);
  const SiteMatrix gram = Value(Gram(updates, cpu));
  std::vector<double> cells;
  for (size_t i = 0; i < kSites * kSites; ++i) cells.push_back(gram.at(i / kSites, i % kSites));
  Print("gram", cells);
  const SiteMatrix distances = SquaredDistances(gram);
  Print("krum_scores", Value(KrumScores(distances, 2)));
  Print("krum_select", Value(KrumSelect(distances, {.n_faulty = 2, .n_selected = 4})));
  Print("bulyan_select", Value(BulyanSelect(distances, 1)));
  Expect(CoordinateMedian(updates, result, cpu));
  Print("coordinate_median", result);
  Expect(TrimmedMean(updates, 2, result, cpu));
  Print("trimmed_mean", result);
  Expect(MeanAroundMedian(updates, 5, result, cpu));
  Print("mean_around_median", result);
  Expect(GeometricMedian(updates, weights, {}, result, cpu).status());
  Print("geometric_median", result);
  Expect(CentredClip(updates, memory[0], {.radius = 30, .n_iterations = 3}, result, cpu));
  Print("centred_clip", result);
}

// 0: the same lines, but for those that are not possible here.
int Compare(const char* path) {
  std::ifstream file(path);
  int n_wrong = 0;
  size_t at = 0;
  for (std::string expected; std::getline(file, expected); ++at) {
    const std::string found = at < lines.size() ? lines[at] : "nothing";
    if (found == expected || absl::EndsWith(found, kImpossible)) continue;
    std::cerr << "expected: " << expected << "\nfound:    " << found << "\n";
    ++n_wrong;
  }
  if (at != lines.size())
    std::cerr << path << " has " << at << " lines, not " << lines.size() << "\n";
  return n_wrong == 0 && at == lines.size() ? 0 : 1;
}

int Main(int argc, char** argv) {
  const Device cpu{};
  PrintVectors(cpu);
  PrintRing(cpu);
  PrintMasks(cpu);
  PrintSites(cpu);
  std::cerr << "instructions: " << std::string(ToString(DefaultIsa()))
            << ", threads: " << CpuThreads() << "\n";
  if (argc > 1) return Compare(argv[1]);
  for (const std::string& line : lines) std::cout << line << "\n";
  return 0;
}

}  // namespace
}  // namespace hilum::kernels

int main(int argc, char** argv) { return hilum::kernels::Main(argc, argv); }
