"""Plants one violation of each rule in a small tree, and expects check_layers to name it."""
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
# pylint: disable=wrong-import-position
from check_layers import check  # noqa: E402
from source_text import functions, includes  # noqa: E402

PAGE = """# Page
```layers
base           :
kernels        : base
proto          : base
models         : base
dicom          : base kernels
ledger_anchor  : base proto
aggregator     : base kernels ledger_anchor proto
client         : base dicom models ledger_anchor proto
cli            : base
cli/job_       : base proto
cli/ledger_    : base aggregator/replay.h
tests          : *
bench          : *
```
```doors
ledger_anchor/log      : aggregator
models/load.h          : client/network
models/torch_          :
proto/hilum/v1/update  : aggregator/rpc client/rpc
```
```externals
absl/                  : *
fcntl.h unistd.h sys/  : base cli/hilum_main
google/protobuf/       : proto
torch/ c10/            : models
sqlite3.h              : aggregator/state
nlohmann/              : cli proto
```
"""


class CheckLayersTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        self.write("docs/architecture.md", PAGE)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def assert_clean(self):
        self.assertEqual(list(check(self.root)), [])

    def assert_fault(self, *parts):
        """Exactly one fault, and it holds each of `parts`."""
        faults = list(check(self.root))
        self.assertEqual(len(faults), 1, faults)
        for part in parts:
            self.assertIn(part, faults[0])

    def include(self, path, *headers):
        self.write(path, "".join(f'#include "{header}"\n' for header in headers))

    def test_takes_what_the_table_allows(self):
        self.include("aggregator/round.cc", "aggregator/round.h", "base/bytes.h", "absl/status.h",
                     "ledger_anchor/log.h", "vector")
        self.include("cli/job_main.cc", "cli/output.h", "cli/job_rpc.h", "proto/round_plan.h",
                     "proto/hilum/v1/job.pb.h", "nlohmann/json.hpp")
        self.include("cli/ledger_main.cc", "aggregator/replay.h")
        self.include("client/network.cc", "models/load.h")
        self.include("tests/system/round_test.cc", "client/rpc.h", "aggregator/rpc.h",
                     "torch/torch.h", "anything.h")
        self.write("models/net.cc", '#include "models/torch_net.h"\n#include <torch/torch.h>\n')
        self.assert_clean()

    def test_refuses_an_arrow_that_the_row_lacks(self):
        self.include("kernels/sum.cc", "base/bytes.h", "proto/round_plan.h")
        self.assert_fault("kernels/sum.cc:2", "proto/round_plan.h")

    def test_the_longest_prefix_of_the_table_wins(self):
        self.include("cli/output.cc", "proto/round_plan.h")
        self.assert_fault("cli/output.cc:1", "cli may include base")

    def test_a_single_header_opens_no_folder(self):
        self.include("cli/ledger_main.cc", "aggregator/round.h")
        self.assert_fault("aggregator/round.h")

    def test_one_program_never_includes_another(self):
        self.include("cli/job_main.cc", "cli/ledger_main.h")
        self.assert_fault("belongs to cli/ledger_")

    def test_a_comment_is_no_include(self):
        self.write("kernels/sum.cc", '// #include "proto/a.h"\n/* \n#include "proto/a.h"\n*/\n')
        self.assert_clean()

    def test_one_definition_of_a_type(self):
        self.write("client/infer.h", "namespace a::b {\nstruct Finding {\n  int x;\n};\n}\n")
        self.write("client/doctor.cc", "namespace a::b {\nnamespace {\nstruct Finding {};\n}\n}\n"
                   "namespace a::b {\nclass C { struct Finding {}; };\n"
                   "struct Finding;\nstruct Finding::Part : X {};\n}\n")
        self.assert_clean()
        self.write("client/doctor.h", "namespace a::b {\n\nstruct Finding : Base {};\n}\n")
        self.assert_fault("client/infer.h:2", "a::b::Finding", "client/doctor.h")

    def test_doors(self):
        for path, header in (("client/gate.cc", "ledger_anchor/log.h"),
                             ("client/train.cc", "models/load.h"),
                             ("client/network.cc", "models/torch_net.h"),
                             ("client/train.cc", "proto/hilum/v1/update.pb.h")):
            with self.subTest(header=header):
                self.include(path, header)
                self.assert_fault(path, header, "a door for")
                (self.root / path).unlink()

    def test_headers_from_outside(self):
        for path, header in (("aggregator/round.cc", "sqlite3.h"), ("client/a.cc", "torch/torch.h"),
                             ("aggregator/a.cc", "google/protobuf/message.h"),
                             ("cli/job_main.cc", "unistd.h"), ("base/a.cc", "boost/any.hpp")):
            with self.subTest(header=header):
                self.write(path, f"#include <{header}>\n")
                self.assert_fault(path, header)
                (self.root / path).unlink()

    def test_no_public_header_of_models_names_libtorch(self):
        self.write("models/train.h", "#include <torch/torch.h>\n")
        self.assert_fault("models/train.h:1", "behind models/torch_")

    def test_a_cycle_in_the_table(self):
        self.write("docs/architecture.md", PAGE.replace("base           :",
                                                        "base           : proto"))
        self.assertTrue(any("a cycle" in fault for fault in check(self.root)))

    def test_arrows_that_are_forbidden_for_ever(self):
        for old, new, part in (("aggregator     : base", "aggregator     : base models",
                                "aggregator must never reach models"),
                               ("client         : base", "client         : base aggregator",
                                "client must never reach aggregator"),
                               ("kernels        : base", "kernels        : base proto",
                                "kernels may include base only"),
                               ("dicom          : base", "dicom          : base models",
                                "dicom must never reach models")):
            with self.subTest(part=part):
                self.write("docs/architecture.md", PAGE.replace(old, new))
                self.assertTrue(any(part in fault for fault in check(self.root)))

    def test_a_file_without_a_row(self):
        self.write("docs/architecture.md", PAGE.replace("models         : base\n", ""))
        self.assertTrue(any("has no row" in fault for fault in check(self.root)))

    def test_long_lines_files_headers_and_functions(self):
        self.write("base/line.cc", "// " + "x" * 98 + "\n")
        self.assert_fault("base/line.cc:1", "101 columns")
        self.write("base/line.cc", "int a;\n" * 501)
        self.assert_fault("base/line.cc:501", "501 lines")
        self.write("base/line.cc", "")
        self.write("base/long.h", "int a();\n" * 201)
        self.assert_fault("base/long.h:201", "the limit is 200")
        self.write("base/long.h", "")
        body = "  a = 1;\n" * 69
        self.write("base/line.cc", f"namespace n {{\nvoid Long(int a) {{\n{body}}}\n}}\n")
        self.assert_fault("base/line.cc:2", "Long has 71 lines")

    def test_characters_count_not_bytes(self):
        self.write("base/line.cc", "// " + "é" * 97 + "\n")
        self.assert_clean()

    def test_long_functions_of_python_and_bash(self):
        self.write("tools/a.py", "def long():\n" + "    a = 1\n" * 70)
        self.assert_fault("tools/a.py:1", "long has 71 lines")
        self.write("tools/a.py", "")
        self.write("dev", "long() {\n" + "  true\n" * 69 + "}\n")
        self.assert_fault("dev:1", "long has 71 lines")

    def test_exceptions_only_in_the_adapters(self):
        self.write("dicom/dcmtk_status.h", "void F() { try { G(); } catch (...) {} }\n")
        self.assert_clean()
        self.write("base/a.cc", '// throw\nconst char* a = "catch (";\nint b() { throw 1; }\n')
        self.assert_fault("base/a.cc:3", "`throw`")

    def test_cout_only_in_programs_and_tests(self):
        self.write("cli/a.cc", "void F() { std::cout << 1; }\n")
        self.assert_clean()
        self.write("aggregator/a.cc", "\nvoid F() { std::cout << 1; }\n")
        self.assert_fault("aggregator/a.cc:2", "std::cout")

    def test_targets_follow_the_table(self):
        self.write("kernels/CMakeLists.txt", "hilum_library(kernels SRCS a.cc\n"
                                             "              DEPS hilum::base hilum::proto)\n")
        self.assert_fault("kernels/CMakeLists.txt:2", "hilum::proto")


class SourceTextTest(unittest.TestCase):
    def test_finds_functions_and_not_types_tables_or_initializers(self):
        text = """\
template <class T, class = std::enable_if_t<true>>
class A : public B {
 public:
  A() : b_{1}, c_(2) {
    if (b_) {
      c_ = 1;
    }
  }
  int Get() const { return b_; }

 private:
  int b_{0};
};
const T kTable[] = {
    {"a(", '{'},
};
TEST(Suite, Name) {
  const auto f = [](int x) {
    return x;
  };
}
"""
        found = [(first, last) for first, last, _ in functions(text)]
        self.assertEqual(found, [(3, 8), (9, 9), (17, 21)])

    def test_braces_in_literals_and_raw_strings_do_not_count(self):
        text = 'void F() {\n  a = "}{{";\n  b = R"x({{{)"{)x";\n  c = \'{\';\n}\nint b;\n'
        self.assertEqual([(a, b) for a, b, _ in functions(text)], [(1, 5)])

    def test_includes_of_both_kinds(self):
        self.assertEqual(includes('#include <a/b.h>\n  # include "c.h"\n'),
                         [(1, "a/b.h"), (2, "c.h")])


if __name__ == "__main__":
    unittest.main()
