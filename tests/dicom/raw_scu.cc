#include "tests/dicom/raw_scu.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>

#include "base/check.h"

namespace hilum::dicom {
namespace {

Bytes Item(uint8_t type, const Bytes& body) {
  Bytes item = {type, 0};
  AppendU16(item, static_cast<uint16_t>(body.size()));
  AppendBytes(item, body);
  return item;
}

Bytes TextItem(uint8_t type, const std::string& text) {
  return Item(type, Bytes(text.begin(), text.end()));
}

Bytes Pdu(uint8_t type, const Bytes& body) {
  Bytes pdu = {type, 0};
  AppendU32(pdu, static_cast<uint32_t>(body.size()));
  AppendBytes(pdu, body);
  return pdu;
}

std::string Title(std::string title) {
  title.resize(16, ' ');
  return title;
}

// An element of a command set: implicit VR little endian.
void Element(Bytes& out, uint16_t element, const Bytes& value) {
  const auto append16 = [&](size_t word) {
    out.push_back(static_cast<uint8_t>(word));
    out.push_back(static_cast<uint8_t>(word >> 8));
  };
  append16(0);
  append16(element);
  append16(value.size());
  append16(0);
  AppendBytes(out, value);
}

Bytes Uid(const std::string& uid) {
  Bytes value(uid.begin(), uid.end());
  if (value.size() % 2 != 0) value.push_back(0);
  return value;
}

// One fragment of a command (control bit 0) or data set, with the bit of the last one.
Bytes Fragment(bool command, bool last, ByteView bytes) {
  Bytes value;
  AppendU32(value, static_cast<uint32_t>(bytes.size() + 2));
  value.push_back(1);
  value.push_back(static_cast<uint8_t>((command ? 1 : 0) | (last ? 2 : 0)));
  AppendBytes(value, bytes);
  return Pdu(kData, value);
}

}  // namespace

RawScu::RawScu(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  HILUM_CHECK(connect(socket_.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  HILUM_CHECK(setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
}

void RawScu::Send(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

int RawScu::Associate(const std::string& calling, const std::string& called,
                      const std::string& sop_class, const std::string& syntax) {
  Bytes context = {1, 0, 0, 0};
  AppendBytes(context, TextItem(0x30, sop_class));
  AppendBytes(context, TextItem(0x40, syntax));
  Bytes user;
  AppendBytes(user, Item(0x51, {0, 1, 0, 0}));  // the longest PDU
  AppendBytes(user, TextItem(0x52, "1.2.3.4"));
  Bytes body = {0, 1, 0, 0};
  AppendText(body, Title(called));
  AppendText(body, Title(calling));
  body.resize(body.size() + 32);
  AppendBytes(body, TextItem(0x10, "1.2.840.10008.3.1.1.1"));
  AppendBytes(body, Item(0x20, context));
  AppendBytes(body, Item(0x50, user));
  Send(Pdu(1, body));
  return Read();
}

void RawScu::Store(const std::string& sop_class, const std::string& sop, ByteView data_set,
                   bool last) {
  Bytes rest;
  Element(rest, 0x0002, Uid(sop_class));
  Element(rest, 0x0100, {1, 0});
  Element(rest, 0x0110, {1, 0});
  Element(rest, 0x0700, {0, 0});
  Element(rest, 0x0800, {1, 0});
  Element(rest, 0x1000, Uid(sop));
  Bytes command;
  Element(command, 0x0000,
          {static_cast<uint8_t>(rest.size()), static_cast<uint8_t>(rest.size() >> 8), 0, 0});
  AppendBytes(command, rest);
  Send(Fragment(/*command=*/true, /*last=*/true, command));
  More(data_set, last);
}

bool RawScu::More(ByteView bytes, bool last) {
  const Bytes pdu = Fragment(/*command=*/false, last, bytes);
  return send(socket_.fd(), pdu.data(), pdu.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(pdu.size());
}

int RawScu::Read() {
  Bytes head(6);
  if (recv(socket_.fd(), head.data(), head.size(), MSG_WAITALL) != 6) return 0;
  const size_t size = static_cast<size_t>(head[2]) << 24 | static_cast<size_t>(head[3]) << 16 |
                      static_cast<size_t>(head[4]) << 8 | head[5];
  HILUM_CHECK(size < (1 << 20));
  Bytes body(size);
  if (recv(socket_.fd(), body.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) return 0;
  // Status (0000,0900), US, in a command set.
  const Bytes wanted = {0, 0, 0, 9, 2, 0, 0, 0};
  for (size_t at = 0; head[0] == kData && at + 10 <= size; ++at) {
    if (std::equal(wanted.begin(), wanted.end(), body.begin() + static_cast<ptrdiff_t>(at))) {
      status_ = body[at + 8] | body[at + 9] << 8;
    }
  }
  return head[0];
}

}  // namespace hilum::dicom
