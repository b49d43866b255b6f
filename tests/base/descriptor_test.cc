#include "base/descriptor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/status_matchers.h"

namespace hilum {
namespace {

using absl::StatusCode;

class DescriptorTest : public testing::Test {
 protected:
  DescriptorTest() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    one_ = {ends[0], ends[0]};
    other_ = {ends[1], ends[1]};
    path_ = fs::path(testing::TempDir()) / ("descriptor_" + std::to_string(getpid()));
  }
  ~DescriptorTest() override {
    close(one_.read_fd);
    if (!closed_) close(other_.read_fd);
    fs::remove(path_);
  }
  PipeEnds one_, other_;
  bool closed_ = false;
  fs::path path_;
};

TEST_F(DescriptorTest, CarriesAnOpenFileThroughASocket) {
  HILUM_ASSERT_OK(WriteFileDurably(path_, AsBytes("what the file holds")));
  HILUM_ASSERT_OK_AND_ASSIGN(const Descriptor sent, OpenForReading(path_));
  HILUM_ASSERT_OK(WriteFrame(one_, "a request", absl::InfiniteFuture()));
  HILUM_ASSERT_OK(SendDescriptor(one_, sent));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string request,
                             ReadFrame(other_, 100, absl::InfiniteFuture()));
  EXPECT_EQ(request, "a request");
  HILUM_ASSERT_OK_AND_ASSIGN(const Descriptor received, ReceiveDescriptor(other_));
  EXPECT_NE(received.fd(), sent.fd());
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes bytes, ReadDescriptor(received, 100));
  EXPECT_EQ(AsText(bytes), "what the file holds");
  EXPECT_THAT(ReadDescriptor(received, 18),
              StatusIs(StatusCode::kResourceExhausted, "19 bytes, the limit is 18"));
}

TEST_F(DescriptorTest, NoticesAMessageWithoutAFileAndAClosedSocket) {
  ASSERT_EQ(write(one_.write_fd, "x", 1), 1);
  EXPECT_THAT(ReceiveDescriptor(other_), StatusIs(StatusCode::kInvalidArgument, "no open file"));
  HILUM_ASSERT_OK(WriteFileDurably(path_, AsBytes("x")));
  HILUM_ASSERT_OK_AND_ASSIGN(const Descriptor file, OpenForReading(path_));
  close(other_.read_fd);
  closed_ = true;
  EXPECT_THAT(SendDescriptor(one_, file), StatusIs(StatusCode::kUnavailable, "pass a file"));
  EXPECT_THAT(ReceiveDescriptor(one_), StatusIs(StatusCode::kCancelled, "closed"));
}

TEST_F(DescriptorTest, OpensRegularFilesOnly) {
  EXPECT_THAT(OpenForReading(path_), StatusIs(StatusCode::kNotFound, "no such file"));
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);  // opening it for reading alone would wait for ever
  EXPECT_THAT(OpenForReading(path_), StatusIs(StatusCode::kInvalidArgument, "not a regular one"));
  EXPECT_THAT(OpenForReading(fs::path(testing::TempDir())),
              StatusIs(StatusCode::kInvalidArgument, "not a regular one"));
}

}  // namespace
}  // namespace hilum
