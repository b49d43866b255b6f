// Memory for keys: aligned for vector loads, never copied, and zero before it is given back.
#ifndef HILUM_KERNELS_SECRET_H_
#define HILUM_KERNELS_SECRET_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace hilum::kernels {

// Writes zeros that the compiler may not leave out.
void Wipe(std::span<uint8_t> bytes);

// `size` bytes of zeros at first, 64-byte aligned; wiped at the end. Movable only.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size);
  SecretBytes(SecretBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~SecretBytes();

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_SECRET_H_
