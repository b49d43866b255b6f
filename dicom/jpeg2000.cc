#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/status_macros.h"
#include "dicom/codestream.h"
#include "dicom/decoders.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

struct DestroyCodec {
  void operator()(opj_codec_t* codec) const { opj_destroy_codec(codec); }
};
struct DestroyStream {
  void operator()(opj_stream_t* stream) const { opj_stream_destroy(stream); }
};
struct DestroyImage {
  void operator()(opj_image_t* image) const { opj_image_destroy(image); }
};

// A stream of OpenJPEG over bytes in memory.
struct Source {
  ByteView bytes;
  size_t at = 0;
};

OPJ_SIZE_T ReadSource(void* buffer, OPJ_SIZE_T n, void* user) {
  Source& source = *static_cast<Source*>(user);
  const size_t left = source.bytes.size() - source.at;
  if (left == 0) return static_cast<OPJ_SIZE_T>(-1);
  const size_t count = std::min<size_t>(n, left);
  std::memcpy(buffer, source.bytes.data() + source.at, count);
  source.at += count;
  return count;
}

OPJ_OFF_T SkipSource(OPJ_OFF_T n, void* user) {
  Source& source = *static_cast<Source*>(user);
  if (n < 0 || static_cast<size_t>(n) > source.bytes.size() - source.at) return -1;
  source.at += static_cast<size_t>(n);
  return n;
}

OPJ_BOOL SeekSource(OPJ_OFF_T to, void* user) {
  Source& source = *static_cast<Source*>(user);
  if (to < 0 || static_cast<size_t>(to) > source.bytes.size()) return OPJ_FALSE;
  source.at = static_cast<size_t>(to);
  return OPJ_TRUE;
}

absl::Status Corrupt() {
  return Refuse(Refusal::kCodestream, "a frame's JPEG 2000 stream is corrupt or cut off");
}

// Checks that the image is what the header promised, and writes its samples as words.
absl::StatusOr<Bytes> ToWords(const opj_image_t& image, const PixelHeader& pixels) {
  const size_t n = static_cast<size_t>(pixels.rows * pixels.columns);
  const size_t width = static_cast<size_t>(pixels.value_bytes());
  const size_t samples = static_cast<size_t>(pixels.samples);
  if (image.numcomps != samples) return Corrupt();
  Bytes out(static_cast<size_t>(pixels.frame_bytes()));
  for (size_t sample = 0; sample < samples; ++sample) {
    const opj_image_comp_t& component = image.comps[sample];
    if (component.data == nullptr || size_t{component.w} * component.h != n) return Corrupt();
    for (size_t i = 0; i < n; ++i) {
      const uint32_t value = static_cast<uint32_t>(component.data[i]);
      std::memcpy(out.data() + (i * samples + sample) * width, &value, width);
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<Bytes> DecodeJpeg2000(ByteView stream, const CodestreamHeader& /*header*/,
                                     const PixelHeader& pixels) {
  if (pixels.bits_allocated == 32) {
    return Refuse(Refusal::kBits, "JPEG 2000 is read with BitsAllocated 1, 8 or 16");
  }
  HILUM_RETURN_IF_ERROR(CheckTiles(stream));
  Source source{.bytes = stream};
  const std::unique_ptr<opj_stream_t, DestroyStream> input(
      opj_stream_create(OPJ_J2K_STREAM_CHUNK_SIZE, OPJ_TRUE));
  const std::unique_ptr<opj_codec_t, DestroyCodec> codec(opj_create_decompress(OPJ_CODEC_J2K));
  if (input == nullptr || codec == nullptr) {
    return absl::ResourceExhaustedError("OpenJPEG cannot start: no memory");
  }
  opj_stream_set_user_data(input.get(), &source, nullptr);
  opj_stream_set_user_data_length(input.get(), stream.size());
  opj_stream_set_read_function(input.get(), ReadSource);
  opj_stream_set_skip_function(input.get(), SkipSource);
  opj_stream_set_seek_function(input.get(), SeekSource);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  if (!opj_setup_decoder(codec.get(), &parameters) ||
      !opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE)) {
    return Corrupt();
  }
  opj_image_t* raw_image = nullptr;
  const bool has_header = opj_read_header(input.get(), codec.get(), &raw_image);
  const std::unique_ptr<opj_image_t, DestroyImage> image(raw_image);
  if (!has_header || !opj_decode(codec.get(), input.get(), image.get()) ||
      !opj_end_decompress(codec.get(), input.get())) {
    return Corrupt();
  }
  return ToWords(*image, pixels);
}

}  // namespace hilum::dicom
