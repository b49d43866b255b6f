// Python's safetensors reads what we write. Built where `./dev setup` made .deps/venv.
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "proto/safetensors.h"
#include "tests/status_matchers.h"

namespace hilum::proto {
namespace {

TEST(Python, ReadsOurSafetensors) {
  const ModelSpec spec{.architecture = "test-net",
                       .tensors = {{.name = "a", .shape = {2, 3}, .offset = 0, .size = 6},
                                   {.name = "b", .shape = {}, .offset = 6, .size = 1}}};
  HILUM_ASSERT_OK_AND_ASSIGN(
      const Bytes file,
      EncodeSafetensors(spec, std::vector<float>{1, 2, 3, 4, 5, 6.5, -7}, {{"round", "3"}}));
  const fs::path path = fs::path(testing::TempDir()) / "ours.safetensors";
  HILUM_ASSERT_OK(WriteFileDurably(path, file));
  const std::string script = absl::StrCat(
      "from safetensors import safe_open\n"
      "with safe_open(r'",
      path.string(),
      "', 'numpy') as f:\n"
      "    assert f.metadata() == {'architecture': 'test-net', 'round': '3'}, f.metadata()\n"
      "    assert set(f.keys()) == {'a', 'b'}\n"
      "    assert f.get_tensor('a').tolist() == [[1, 2, 3], [4, 5, 6.5]]\n"
      "    assert f.get_tensor('b').shape == () and float(f.get_tensor('b')) == -7\n");
  const std::string command = absl::StrCat(HILUM_PYTHON, " -c \"", script, "\"");
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace hilum::proto
