// hilum-dicom as people and scripts see it: output and exit codes.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "tests/dicom/film_builder.h"
#include "tests/dicom/png_reader.h"
#include "tests/dicom/vectors.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

struct Result {
  int exit_code = -1;
  std::string output;  // standard output
};

Result Program(const std::string& arguments) {
  const std::string command =
      absl::StrCat(HILUM_BIN_DIR, "/hilum-dicom ", arguments, " 2>/dev/null");
  FILE* const pipe = popen(command.c_str(), "r");
  Result run;
  std::array<char, 4'096> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) {
    run.output.append(buffer.data(), n);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) run.exit_code = WEXITSTATUS(status);
  return run;
}

std::string Vector(const std::string& name) {
  return absl::StrCat("'", (VectorFolder() / "files" / name).string(), "'");
}

class Folder : public testing::Test {
 protected:
  Folder() : path_(fs::path(testing::TempDir()) / ("hilum_dicom_" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() override { fs::remove_all(path_); }
  fs::path path_;
};

using HilumDicom = Folder;

TEST_F(HilumDicom, InspectPrintsAnObjectForOneFile) {
  const Result run = Program("inspect --json " + Vector("CT_small.dcm"));
  EXPECT_EQ(run.exit_code, 0);
  const nlohmann::json json = nlohmann::json::parse(run.output);
  EXPECT_EQ(json["status"], "ok");
  EXPECT_TRUE(json["reason"].is_null());
  EXPECT_EQ(json["transfer_syntax"], "1.2.840.10008.1.2.1");
  EXPECT_EQ(json["modality"], "CT");
  EXPECT_EQ(json["rows"], 128);
  EXPECT_EQ(json["columns"], 128);
  EXPECT_EQ(json["frames"], 1);
  EXPECT_EQ(json["bits_stored"], 16);
  EXPECT_EQ(json["signed"], true);
  EXPECT_EQ(json["min"], 128);
  EXPECT_EQ(json["max"], 2'191);
  EXPECT_NEAR(json["mean"].get<double>(), 904.9261, 1e-4);
  EXPECT_EQ(json["stored_sha256"],
            "7a481f6ffff833aef4d8bd54819bd8f472aaa7232090208e056c90eacf079926");
  EXPECT_EQ(json["unit"], "HU");
  EXPECT_EQ(json["spacing_mm"], nlohmann::json({0.661468, 0.661468}));
}

TEST_F(HilumDicom, AFolderStandsForTheFilesInIt) {
  fs::create_directories(path_ / "b");
  fs::create_directories(path_ / "empty");
  const fs::path vectors = VectorFolder() / "files";
  fs::copy(vectors / "CT_small.dcm", path_ / "b" / "2.dcm");
  fs::copy(vectors / "MR_small.dcm", path_ / "a.dcm");
  const Result run = Program(absl::StrCat("inspect --json '", path_.string(), "'"));
  EXPECT_EQ(run.exit_code, 0);
  const nlohmann::json json = nlohmann::json::parse(run.output);
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["modality"], "MR");
  EXPECT_EQ(json[1]["file"], (path_ / "b" / "2.dcm").string());
  EXPECT_EQ(Program(absl::StrCat("inspect '", (path_ / "empty").string(), "'")).exit_code, 2);
}

TEST_F(HilumDicom, OneBadFileNeverEndsTheRun) {
  const Result run = Program("inspect --json " + Vector("MR_small.dcm") + " /nowhere.dcm " +
                             Vector("MR_truncated.dcm") + " " + Vector("MR_small_RLE.dcm"));
  EXPECT_EQ(run.exit_code, 1);
  const nlohmann::json json = nlohmann::json::parse(run.output);
  ASSERT_EQ(json.size(), 4u);
  EXPECT_EQ(json[0]["status"], "ok");
  EXPECT_EQ(json[1]["status"], "refused");
  EXPECT_EQ(json[1]["reason"].get<std::string>().substr(0, 5), "FILE:");
  EXPECT_EQ(json[2]["reason"].get<std::string>().substr(0, 10), "TRUNCATED:");
  EXPECT_TRUE(json[2]["stored_sha256"].is_null());
  EXPECT_EQ(json[3]["stored_sha256"], json[0]["stored_sha256"]);
}

TEST_F(HilumDicom, WritesPictures) {
  const fs::path film = path_ / "film.dcm";
  HILUM_ASSERT_OK(WriteFileDurably(film, Film(2, 3, 8, {0, 50, 100, 150, 200, 250}).Build()));
  const fs::path png = path_ / "film.png";
  EXPECT_EQ(Program("inspect " + film.string() + " --png " + png.string()).exit_code, 0);
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes one, ReadFile(png, 1'000'000));
  EXPECT_EQ(DecodePng(one).values, (std::vector<uint8_t>{0, 50, 100, 150, 200, 250}));
  const fs::path folder = path_ / "pictures";
  EXPECT_EQ(Program("inspect " + film.string() + " " + film.string() + " --png " + folder.string())
                .exit_code,
            0);
  EXPECT_TRUE(fs::exists(folder / "film.dcm.png"));
  EXPECT_TRUE(fs::exists(folder / "film.dcm-2.png")) << "a name that repeats";
}

TEST_F(HilumDicom, APictureThatCannotBeMadeFailsTheRun) {
  const Result run = Program("inspect --json --png " + (path_ / "x.png").string() + " " +
                             Vector("SC_rgb_dcmtk_+eb+cy+n1.dcm"));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(nlohmann::json::parse(run.output)["status"], "ok");
  EXPECT_FALSE(fs::exists(path_ / "x.png"));
}

// A folder of 40 films, one of them cut off, one not DICOM and one that may hold text.
class HilumDicomReport : public Folder {
 protected:
  HilumDicomReport() {
    Film film(16, 16, 8, Ramp(256));
    for (int i = 0; i < 37; ++i) Write(absl::StrCat("good-", i, ".dcm"), film.Build());
    Bytes cut = film.Build();
    cut.resize(cut.size() - 100);
    Write("cut.dcm", cut);
    Write("=note.txt", Bytes(1'000, 'x'));
    film.Text(0x00080008, "CS", "DERIVED\\SECONDARY");
    Write("text, maybe.dcm", film.Build());
  }
  void Write(const std::string& name, const Bytes& bytes) {
    fs::create_directories(path_ / "films");
    HILUM_EXPECT_OK(WriteFileDurably(path_ / "films" / name, bytes));
  }
  std::string Films() { return absl::StrCat("'", (path_ / "films").string(), "'"); }
};

TEST_F(HilumDicomReport, CountsReasonsAndGoesOn) {
  const Result run = Program("report --json --profile cxr96 " + Films());
  EXPECT_EQ(run.exit_code, 0);
  const nlohmann::json json = nlohmann::json::parse(run.output);
  EXPECT_EQ(json["files"], 40);
  EXPECT_EQ(json["taken"], 37);
  EXPECT_EQ(json["refused"], 3);
  EXPECT_EQ(json["quarantined"], 1);
  EXPECT_EQ(json["codes"]["TRUNCATED"]["files"], 1);
  EXPECT_EQ(json["codes"]["NO_PREAMBLE"]["files"], 1);
  EXPECT_EQ(json["codes"]["BURNED_IN"]["files"], 1);
  EXPECT_EQ(json["branches"]["voi=as_is"], 37);
  EXPECT_EQ(json["branches"]["orientation_absent=1"], 37);
  ASSERT_EQ(json["refused_files"].size(), 3u);
  for (const auto& file : json["refused_files"]) {
    EXPECT_EQ(file["quarantined"], file["code"] == "BURNED_IN");
  }
}

TEST_F(HilumDicomReport, ListsRefusedFilesForASpreadsheet) {
  const fs::path list = path_ / "refused.csv";
  const Result run = Program(absl::StrCat("report --list ", list.string(), " ", Films()));
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_NE(run.output.find("37 of 40 files taken, 3 refused, of these 1 quarantined"),
            std::string::npos)
      << run.output;
  EXPECT_NE(run.output.find("a person looks for text"), std::string::npos);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, ReadTextFile(list, 100'000));
  EXPECT_NE(text.find("text, maybe.dcm\",BURNED_IN,yes,"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

TEST_F(HilumDicomReport, UsageErrorsAreTwo) {
  EXPECT_EQ(Program("report --profile nonsense " + Films()).exit_code, 2);
  EXPECT_EQ(Program("report /nowhere/at/all").exit_code, 0);  // one refused file
  EXPECT_EQ(Program("report").exit_code, 2);
}

TEST_F(HilumDicom, PutsACtSeriesInPlace) {
  fs::create_directories(path_ / "ct");
  for (int i = 0; i < 4; ++i) {
    Film film(8, 8, 16, std::vector<uint16_t>(64, static_cast<uint16_t>(1'000 + i)));
    film.Text(0x00080060, "CS", "CT").Text(0x00080018, "UI", absl::StrCat("1.2.9.", i));
    film.Text(0x00200032, "DS", absl::StrCat("0\\0\\", 10 - 2 * i));
    film.Text(0x00200037, "DS", "1\\0\\0\\0\\1\\0").Text(0x00280030, "DS", "0.5\\0.5");
    film.Text(0x00281052, "DS", "-1024");
    HILUM_ASSERT_OK(WriteFileDurably(path_ / "ct" / absl::StrCat(i, ".dcm"), film.Build()));
  }
  const std::string folder = (path_ / "ct").string();
  Result run = Program("series --json " + folder);
  EXPECT_EQ(run.exit_code, 0);
  nlohmann::json json = nlohmann::json::parse(run.output);
  ASSERT_EQ(json["volumes"].size(), 1u);
  EXPECT_EQ(json["volumes"][0]["slices"], 4);
  EXPECT_EQ(json["volumes"][0]["spacing_mm"], 2.0);
  EXPECT_EQ(json["volumes"][0]["min_hu"], -24.0);
  EXPECT_EQ(json["volumes"][0]["max_hu"], -21.0);
  fs::remove(path_ / "ct" / "1.dcm");
  run = Program("series " + folder);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.output.find("series 1: MISSING_SLICES: "), std::string::npos) << run.output;
  EXPECT_EQ(Program("series --allow-gaps " + folder).exit_code, 0);
  EXPECT_EQ(Program("series " + Vector("MR_small.dcm")).exit_code, 1);
  EXPECT_EQ(Program("series --thickness 0 " + folder).exit_code, 2);
}

TEST_F(HilumDicom, DeidentifiesIntoNumberedCopies) {
  Film film(16, 16, 8, Ramp(256));
  film.Text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.1").Text(0x00100010, "PN", "Doe^Jane");
  fs::create_directories(path_ / "in");
  HILUM_ASSERT_OK(WriteFileDurably(path_ / "in" / "Jane Doe.dcm", film.Build()));
  const std::string arguments =
      absl::StrCat("deidentify --json --out ", (path_ / "out").string(), " --key ",
                   (path_ / "key").string(), " ", (path_ / "in").string());
  const Result run = Program(arguments);
  EXPECT_EQ(run.exit_code, 0);
  const nlohmann::json json = nlohmann::json::parse(run.output);
  EXPECT_EQ(json["actions"]["emptied"]["(0010,0010)"], 1);
  EXPECT_EQ(json["actions"]["replaced"]["(0020,000D)"], 1);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string one, ReadTextFile(path_ / "out/000001.dcm", 9'000));
  EXPECT_EQ(one.find("Doe"), std::string::npos);
  // The same key gives the same copy; another key gives another.
  EXPECT_EQ(Program(arguments).exit_code, 0);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string two, ReadTextFile(path_ / "out/000001.dcm", 9'000));
  EXPECT_EQ(one, two);
  fs::remove(path_ / "key");
  EXPECT_EQ(Program(arguments).exit_code, 0);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string three,
                             ReadTextFile(path_ / "out/000001.dcm", 9'000));
  EXPECT_NE(one, three);
  fs::permissions(path_ / "key", fs::perms::others_read, fs::perm_options::add);
  EXPECT_EQ(Program(arguments).exit_code, 4);
  fs::permissions(path_ / "key", fs::perms::others_read, fs::perm_options::remove);
  HILUM_ASSERT_OK(WriteFileDurably(path_ / "key", AsBytes("short"), FileMode::kPrivate));
  EXPECT_EQ(Program(arguments).exit_code, 3);
}

TEST_F(HilumDicom, NoCopyTakesThePlaceOfAnOriginal) {
  Film film(16, 16, 8, Ramp(256));
  film.Text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.1");
  fs::create_directories(path_ / "in");
  const fs::path original = path_ / "in" / "000001.dcm";
  HILUM_ASSERT_OK(WriteFileDurably(original, film.Build()));
  const Result run = Program(absl::StrCat("deidentify --out ", (path_ / "in").string(), " --key ",
                                          (path_ / "key").string(), " ", (path_ / "in").string()));
  EXPECT_NE(run.exit_code, 0);
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes kept, ReadFile(original, 9'000));
  EXPECT_EQ(kept, film.Build());
}

TEST_F(HilumDicom, UsageErrorsAreTwo) {
  EXPECT_EQ(Program("").exit_code, 2);
  EXPECT_EQ(Program("inspect").exit_code, 2);
  EXPECT_EQ(Program("inspect --nonsense x").exit_code, 2);
  EXPECT_EQ(Program("--help").exit_code, 0);
  EXPECT_EQ(Program("inspect --help").exit_code, 0);
  EXPECT_EQ(Program("--version").exit_code, 0);
}

TEST_F(HilumDicom, PrintsATableForPeople) {
  const Result run = Program("inspect " + Vector("MR_small.dcm") + " " + Vector("rtplan.dcm"));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.output.find("MR_small.dcm"), std::string::npos);
  EXPECT_NE(run.output.find("DICOM: the file has no pixel data"), std::string::npos);
}

}  // namespace
}  // namespace hilum::dicom
