// Reads the vector files of tests/vectors.
#ifndef HILUM_TESTS_CRYPTO_VECTOR_FILE_H_
#define HILUM_TESTS_CRYPTO_VECTOR_FILE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "nlohmann/json.hpp"

namespace hilum {

inline fs::path VectorPath(const std::string& name) {
  return fs::path(HILUM_SOURCE_DIR) / "tests" / "vectors" / name;
}

// Ends the program when the file is missing: every vector runs in every build.
inline nlohmann::json ReadVectors(const std::string& name) {
  const auto text = ReadTextFile(VectorPath(name), 1 << 20);
  EXPECT_TRUE(text.ok()) << text.status();
  return nlohmann::json::parse(text.value());
}

inline Bytes HexField(const nlohmann::json& object, const char* key) {
  return FromHex(object.at(key).get<std::string>()).value();
}

template <size_t N>
std::array<uint8_t, N> HexArray(const nlohmann::json& object, const char* key) {
  const Bytes bytes = HexField(object, key);
  std::array<uint8_t, N> array{};
  EXPECT_EQ(bytes.size(), N);
  std::copy_n(bytes.begin(), std::min(N, bytes.size()), array.begin());
  return array;
}

}  // namespace hilum

#endif  // HILUM_TESTS_CRYPTO_VECTOR_FILE_H_
