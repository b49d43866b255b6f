#include "dicom/worker.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "dicom/refusal.h"
#include "dicom/worker_messages.h"
#include "tests/dicom/film_builder.h"
#include "tests/dicom/vectors.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

using absl::StatusCode;

std::string Mark(absl::string_view kind, absl::string_view value) {
  return std::string(kind) + "#" + std::string(value);
}

Profile Small() { return FindProfile("cxr96").value(); }

class WorkerTest : public testing::Test {
 protected:
  WorkerTest() : folder_(fs::path(testing::TempDir()) / ("worker_" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    film_ = folder_ / "film.dcm";
    HILUM_EXPECT_OK(WriteFileDurably(film_, Film(16, 16, 8, Ramp(256)).Build()));
  }
  ~WorkerTest() override { fs::remove_all(folder_); }

  static WorkerOptions Real() {
    return {.program = fs::path(HILUM_BIN_DIR) / "hilum-dicom-worker"};
  }
  // A worker that does `how` when it is asked for a film.
  static WorkerOptions Bad(const std::string& how) {
    return {.program = fs::path(HILUM_BIN_DIR).parent_path() / "tests" / "bad_dicom_worker",
            .arguments = {how}};
  }
  absl::StatusOr<PixelVolume> Read(WorkerPool& pool, const fs::path& file) {
    return pool.Read(file, Small(), Mark);
  }
  absl::Status ReadBadly(const std::string& how) {
    WorkerPool pool(Bad(how));
    return Read(pool, film_).status();
  }

  fs::path folder_, film_;
};

void ExpectSame(const PixelVolume& a, const PixelVolume& b) {
  EXPECT_EQ(a.values(), b.values());
  EXPECT_EQ(a.padding(), b.padding());
  EXPECT_EQ(a.shape(), b.shape());
  EXPECT_EQ(a.spacing_mm(), b.spacing_mm());
  EXPECT_EQ(a.ids().patient, b.ids().patient);
  EXPECT_EQ(a.ids().study, b.ids().study);
  EXPECT_EQ(a.ids().series, b.ids().series);
  EXPECT_EQ(a.ids().sop, b.ids().sop);
  EXPECT_EQ(a.facts().age_years, b.facts().age_years);
  EXPECT_EQ(a.facts().view, b.facts().view);
  EXPECT_EQ(a.facts().sex, b.facts().sex);
  EXPECT_EQ(a.branches().ToText(), b.branches().ToText());
}

TEST_F(WorkerTest, ReadsWhatThisProcessWouldRead) {
  WorkerPool pool(Real());
  int n_read = 0, n_refused = 0;
  for (const auto& file : fs::directory_iterator(VectorFolder() / "files")) {
    const absl::StatusOr<PixelVolume> here = ReadVolume({file.path()}, Small(), Mark);
    const absl::StatusOr<PixelVolume> there = Read(pool, file.path());
    ASSERT_EQ(here.status(), there.status()) << file.path();
    (here.ok() ? n_read : n_refused) += 1;
    if (here.ok()) ExpectSame(*here, *there);
  }
  EXPECT_GT(n_refused, 0);
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume there, Read(pool, film_));
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume here, ReadVolume({film_}, Small(), Mark));
  ExpectSame(here, there);
  EXPECT_EQ(there.ids().patient, "patient#ID-1");
}

TEST_F(WorkerTest, ReadsTheDemosFilms) {
  WorkerPool pool(Real());
  int n = 0;
  const fs::path demo = fs::path(HILUM_SOURCE_DIR) / "demo" / "data";
  for (const auto& file : fs::recursive_directory_iterator(demo)) {
    if (file.path().extension() != ".dcm" || n == 20) continue;
    ++n;
    HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume here, ReadVolume({file.path()}, Small(), Mark));
    HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume there, Read(pool, file.path()));
    ExpectSame(here, there);
  }
  EXPECT_GT(n, 0);
  EXPECT_EQ(pool.n_started(), 1);
}

TEST_F(WorkerTest, PassesOptionsOn) {
  WorkerPool pool(Real());
  Film film(16, 16, 8, Ramp(256));
  film.Text(0x00080008, "CS", "DERIVED\\SECONDARY").Drop(0x00280301);
  HILUM_ASSERT_OK(WriteFileDurably(film_, film.Build()));
  EXPECT_EQ(CodeOf(Read(pool, film_).status()), "BURNED_IN");
  HILUM_EXPECT_OK(pool.Read(film_, Small(), Mark, {.reviewed_for_text = true}).status());
  const ReadOptions short_files{.limits = {.file_bytes = 100}};
  EXPECT_EQ(CodeOf(pool.Read(film_, Small(), Mark, short_files).status()), "FILE_SIZE");
  EXPECT_EQ(CodeOf(Read(pool, folder_ / "none").status()), "FILE");
  EXPECT_EQ(CodeOf(Read(pool, folder_).status()), "FILE");
  Profile other = Small();
  other.top_crop = 0.5;
  EXPECT_THAT(pool.Read(film_, other, Mark), StatusIs(StatusCode::kInvalidArgument, "release"));
}

TEST_F(WorkerTest, TheSandboxKillsWhatADecoderNeverDoes) {
  for (const char* how :
       {"socket", "connect", "execve", "fork", "kill", "thread", "code", "limits", "hang"}) {
    const absl::Status status = ReadBadly(how);
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, "sandbox forbids")) << how;
    EXPECT_EQ(CodeOf(status), "WORKER") << how;
  }
}

TEST_F(WorkerTest, TheSandboxHidesAllFilesAndSetsLimits) {
  const std::string text(ReadBadly("look").message());
  EXPECT_TRUE(absl::StrContains(text, "open=0 access=0 cpu=120")) << text;
  EXPECT_TRUE(absl::StrContains(text, "files=64")) << text;
#ifndef HILUM_SANITIZED
  EXPECT_TRUE(absl::StrContains(text, "memory=4294967296")) << text;
#endif
}

TEST_F(WorkerTest, ACrashIsARefusalOfItsFile) {
  EXPECT_THAT(ReadBadly("crash"), StatusIs(StatusCode::kInvalidArgument, "signal 11"));
  EXPECT_THAT(ReadBadly("abort"), StatusIs(StatusCode::kInvalidArgument, "signal 6"));
  EXPECT_THAT(ReadBadly("exit"), StatusIs(StatusCode::kInvalidArgument, "ended with code 7"));
}

TEST_F(WorkerTest, AHangEndsInItsTime) {
  WorkerOptions options = Bad("spin");
  options.file_limit = absl::Seconds(1);
  WorkerPool pool(options);
  const absl::Time start = absl::Now();
  EXPECT_THAT(Read(pool, film_), StatusIs(StatusCode::kInvalidArgument, "no answer within 1 s"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
}

#ifndef HILUM_SANITIZED
TEST_F(WorkerTest, MemoryHasALimit) {
  EXPECT_THAT(ReadBadly("memory"), StatusIs(StatusCode::kInvalidArgument, "more memory"));
}
#endif

TEST_F(WorkerTest, NoAnswerOfATakenOverWorkerIsBelieved) {
  for (const char* how : {"short", "text", "status"}) {
    EXPECT_THAT(ReadBadly(how), StatusIs(StatusCode::kInvalidArgument, "WORKER: the decoder's"))
        << how;
  }
  EXPECT_THAT(ReadBadly("long"), StatusIs(StatusCode::kInvalidArgument, "longer than a film"));
  EXPECT_THAT(ReadBadly("identifier"),
              StatusIs(StatusCode::kInvalidArgument, "DICOM: an identifier is longer than 1024"));
}

TEST_F(WorkerTest, WithoutAWorkerNothingIsRead) {
  WorkerPool none({.program = "/nowhere/hilum-dicom-worker"});
  EXPECT_THAT(Read(none, film_), StatusIs(StatusCode::kUnavailable, "cannot start"));
  EXPECT_THAT(ReadBadly("mute"), StatusIs(StatusCode::kUnavailable, "nothing is read"));
  EXPECT_THAT(ReadBadly("other"), StatusIs(StatusCode::kUnavailable, "not the worker of this"));
}

TEST_F(WorkerTest, AProbeSaysWhetherFilmsCanBeRead) {
  WorkerPool real(Real());
  HILUM_EXPECT_OK(real.Probe());
  HILUM_EXPECT_OK(Read(real, film_).status());
  EXPECT_EQ(real.n_started(), 1);  // the probe's worker reads
  WorkerPool none({.program = "/nowhere/hilum-dicom-worker"});
  EXPECT_THAT(none.Probe(), StatusIs(StatusCode::kUnavailable, "cannot start"));
}

TEST_F(WorkerTest, AWorkerIsShortLived) {
  WorkerOptions options = Real();
  options.files_limit = 2;
  WorkerPool pool(options);
  for (int i = 0; i < 5; ++i) HILUM_EXPECT_OK(Read(pool, film_).status());
  EXPECT_EQ(pool.n_started(), 3);
  options = Real();
  options.worker_limit = absl::ZeroDuration();
  WorkerPool old(options);
  for (int i = 0; i < 2; ++i) HILUM_EXPECT_OK(Read(old, film_).status());
  EXPECT_EQ(old.n_started(), 2);
}

TEST_F(WorkerTest, AWorkerThatDiedWhileIdleCostsNoFilm) {
  WorkerPool pool(Bad("once"));
  HILUM_EXPECT_OK(Read(pool, film_).status());
  absl::SleepFor(absl::Seconds(1));  // its end
  HILUM_EXPECT_OK(Read(pool, film_).status());
  EXPECT_EQ(pool.n_started(), 2);
}

TEST_F(WorkerTest, ManyThreadsReadAtATime) {
  WorkerPool pool(Real());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 5; ++n) HILUM_EXPECT_OK(Read(pool, film_).status());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(pool.n_started(), 4);
}

TEST_F(WorkerTest, TheGatesRefusalsComeThroughWithTheirCodes) {
  const std::optional<fs::path> shared = SharedFolder();
  if (!shared) return;  // the committed vectors are read in another test
  WorkerPool pool(Real());
  int n = 0;
  for (const auto& file : fs::recursive_directory_iterator(*shared / "dicom_fuzz")) {
    if (!file.is_regular_file()) continue;
    const absl::StatusOr<PixelVolume> there = Read(pool, file.path());
    EXPECT_TRUE(there.ok() || !CodeOf(there.status()).empty()) << file.path() << there.status();
    EXPECT_NE(CodeOf(there.status()), "WORKER") << file.path() << there.status();
    ++n;
  }
  EXPECT_GT(n, 20);
}

}  // namespace
}  // namespace hilum::dicom
