// Memory for keys: aligned for vector loads, never copied, and zero before it is given back.
#ifndef HILUM_KERNELS_SECRET_H_
#define HILUM_KERNELS_SECRET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace hilum::kernels {

// Writes zeros that the compiler may not leave out.
void Wipe(std::span<uint8_t> bytes);

// `size` bytes of zeros at first, 64-byte aligned; wiped at the end. Movable only.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(size_t size);

  uint8_t* data() const { return bytes_.get(); }
  size_t size() const { return bytes_ == nullptr ? 0 : bytes_.get_deleter().size; }

 private:
  struct WipeAndFree {
    size_t size = 0;
    void operator()(uint8_t* bytes) const;
  };
  std::unique_ptr<uint8_t[], WipeAndFree> bytes_;
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_SECRET_H_
