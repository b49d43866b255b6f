// From a file's bytes to stored words (dicom/SYNTAX) and to a network's input.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/dicom/encode.h"
#include "dicom/frames.h"
#include "dicom/read.h"

namespace hilum::bench {
namespace {

// Gate, header and decoding of one 2500 x 2048 film. bytes_per_second counts decoded bytes.
void Decode(benchmark::State& state, const dicom::Syntax& syntax) {
  const Bytes file = EncodeFilm(syntax);
  int64_t n_bytes = 0;
  for (auto _ : state) {
    const absl::StatusOr<dicom::SafeFile> safe = dicom::OpenFile(file);
    if (!safe.ok()) return state.SkipWithError(std::string(safe.status().message()).c_str());
    const absl::StatusOr<dicom::FrameReader> frames = dicom::FrameReader::Create(*safe);
    const absl::StatusOr<Bytes> words =
        frames.ok() ? frames->Read(0) : absl::StatusOr<Bytes>(frames.status());
    if (!words.ok()) return state.SkipWithError(std::string(words.status().message()).c_str());
    n_bytes += static_cast<int64_t>(words->size());
    benchmark::DoNotOptimize(words->data());
  }
  state.SetBytesProcessed(n_bytes);
  state.counters["file_bytes"] = static_cast<double>(file.size());
}

// All of ReadVolume with profile cxr224.
void ReadFilm(benchmark::State& state, const dicom::Syntax& syntax) {
  const Bytes file = EncodeFilm(syntax);
  const dicom::Profile profile = dicom::FindProfile("cxr224").value();
  const dicom::Pseudonym pseudonym = [](absl::string_view, absl::string_view) {
    return std::string("x");
  };
  for (auto _ : state) {
    const auto volume = dicom::ReadVolumeFromBytes(file, profile, pseudonym);
    if (!volume.ok()) return state.SkipWithError(std::string(volume.status().message()).c_str());
    benchmark::DoNotOptimize(volume->values().data());
  }
}

}  // namespace
}  // namespace hilum::bench

int main(int argc, char** argv) {
  using hilum::dicom::Codec;
  for (const hilum::dicom::Syntax& syntax : hilum::dicom::AllSyntaxes()) {
    if (syntax.codec == Codec::kJpeg2000) continue;  // DCMTK cannot write it
    const std::string name(syntax.name);
    benchmark::RegisterBenchmark(("dicom/" + name).c_str(), hilum::bench::Decode, syntax)
        ->Unit(benchmark::kMillisecond);
    if (syntax.name == "explicit" || syntax.name == "jpeg-lossless-sv1") {
      benchmark::RegisterBenchmark(("dicom/read_volume/" + name).c_str(), hilum::bench::ReadFilm,
                                   syntax)
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
