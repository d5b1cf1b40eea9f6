// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/copy_format.h"

#include <endian.h>

#include <cstring>

namespace muster::ingest {
namespace {

constexpr std::uint8_t kSignature[11] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0};
constexpr std::size_t kHeaderSize = sizeof kSignature + 8;  // flags and extension length, both zero

void put16(std::uint8_t* at, std::uint16_t value) {
  value = htobe16(value);
  std::memcpy(at, &value, sizeof value);
}
void put32(std::uint8_t* at, std::uint32_t value) {
  value = htobe32(value);
  std::memcpy(at, &value, sizeof value);
}
void put64(std::uint8_t* at, std::uint64_t value) {
  value = htobe64(value);
  std::memcpy(at, &value, sizeof value);
}
std::uint32_t get32(const std::uint8_t* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return be32toh(value);
}

}  // namespace

CopyWriter CopyWriter::start(Bytes& out) {
  CopyWriter writer{out};
  std::uint8_t* at = writer.grow(kHeaderSize);
  std::memcpy(at, kSignature, sizeof kSignature);
  std::memset(at + sizeof kSignature, 0, kHeaderSize - sizeof kSignature);
  return writer;
}

std::uint8_t* CopyWriter::grow(std::size_t size) {
  const std::size_t start = out_.size();
  out_.resize(start + size);
  return out_.data() + start;
}

void CopyWriter::begin_row(std::int16_t fields) { put16(grow(2), static_cast<std::uint16_t>(fields)); }

void CopyWriter::add_int16(std::int16_t value) {
  std::uint8_t* at = grow(4 + sizeof value);
  put32(at, sizeof value);
  put16(at + 4, static_cast<std::uint16_t>(value));
}

void CopyWriter::add_int32(std::int32_t value) {
  std::uint8_t* at = grow(4 + sizeof value);
  put32(at, sizeof value);
  put32(at + 4, static_cast<std::uint32_t>(value));
}

void CopyWriter::add_int64(std::int64_t value) {
  std::uint8_t* at = grow(4 + sizeof value);
  put32(at, sizeof value);
  put64(at + 4, static_cast<std::uint64_t>(value));
}

std::uint8_t* CopyWriter::add_octets(BytesView octets) {
  std::uint8_t* at = grow(4 + octets.size());
  put32(at, static_cast<std::uint32_t>(octets.size()));
  if (!octets.empty()) std::memcpy(at + 4, octets.data(), octets.size());
  return at + 4;
}

void CopyWriter::end() { put16(grow(2), 0xffff); }

CopyRowReader::CopyRowReader(BytesView message) : rest_(message) {
  if (rest_.size() >= kHeaderSize && std::memcmp(rest_.data(), kSignature, sizeof kSignature) == 0) {
    rest_ = rest_.subspan(kHeaderSize);
  }
  if (rest_.size() < 2) return;
  field_count_ = static_cast<std::int16_t>(rest_[0] << 8 | rest_[1]);
  rest_ = rest_.subspan(2);
}

std::optional<BytesView> CopyRowReader::take_octets() {
  if (rest_.size() < 4) return std::nullopt;
  const std::uint32_t size = get32(rest_.data());  // 0xffffffff is NULL: over any size
  rest_ = rest_.subspan(4);
  if (size > rest_.size()) return std::nullopt;
  const BytesView field = rest_.first(size);
  rest_ = rest_.subspan(size);
  return field;
}

std::optional<std::int64_t> CopyRowReader::take_int64() {
  const auto field = take_octets();
  if (!field || field->size() != sizeof(std::int64_t)) return std::nullopt;
  std::uint64_t value;
  std::memcpy(&value, field->data(), sizeof value);
  return static_cast<std::int64_t>(be64toh(value));
}

}  // namespace muster::ingest
