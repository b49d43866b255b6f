#include "kernels/secret.h"

#include <cstring>
#include <new>

namespace hilum::kernels {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

void Wipe(std::span<uint8_t> bytes) {
  if (bytes.empty()) return;
  std::memset(bytes.data(), 0, bytes.size());
  // The compiler must assume that the zeros are read here.
  __asm__ __volatile__("" : : "r"(bytes.data()) : "memory");
}

SecretBytes::SecretBytes(size_t size) : size_(size) {
  if (size == 0) return;
  data_ = static_cast<uint8_t*>(::operator new[](size, kAlignment));
  std::memset(data_, 0, size);
}

SecretBytes::~SecretBytes() {
  if (data_ == nullptr) return;
  Wipe({data_, size_});
  ::operator delete[](data_, kAlignment);
}

}  // namespace hilum::kernels
