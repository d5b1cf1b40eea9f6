// SPDX-License-Identifier: Apache-2.0
#include "core/encoding.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace muster {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The value of each character; kNoDigit: it is none.
constexpr std::uint8_t kNoDigit = 64;
constexpr std::array<std::uint8_t, 256> kBase64Values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::uint8_t digit = 0; digit < kNoDigit; ++digit) values[static_cast<unsigned char>(kBase64[digit])] = digit;
  return values;
}();

enum class Padding { kNo, kYes };

std::string encode_base64(BytesView bytes, std::string_view alphabet, Padding padding) {
  std::string out((bytes.size() + 2) / 3 * 4, '=');
  char* at = out.data();
  const auto put = [&](unsigned digit) { *at++ = alphabet[digit & 63]; };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const unsigned group = (unsigned{bytes[i]} << 16) | (unsigned{bytes[i + 1]} << 8) | unsigned{bytes[i + 2]};
    for (const int shift : {18, 12, 6, 0}) put(group >> shift);
  }
  if (const std::size_t left = bytes.size() - i; left > 0) {
    const unsigned group = (unsigned{bytes[i]} << 16) | (left > 1 ? unsigned{bytes[i + 1]} << 8 : 0U);
    put(group >> 18);
    put(group >> 12);
    if (left > 1) put(group >> 6);
    if (padding == Padding::kNo) out.resize(static_cast<std::size_t>(at - out.data()));
  }
  return out;
}

// Length in octets of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none (RFC 3629 §4).
std::size_t utf8_sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
  const unsigned char c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return tail(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (c == 0xE0 && at(1) < 0xA0) return 0;
    if (c == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (c == 0xF0 && at(1) < 0x90) return 0;
    if (c == 0xF4 && at(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string to_hex(BytesView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
  return out;
}

Result<Bytes> from_hex(std::string_view text) {
  const Error invalid{ErrorCode::kInvalidArgument, "encoding.hex_invalid", ""};
  if (text.size() % 2 != 0) return invalid;
  Bytes out(text.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return invalid;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return out;
}

std::string to_base64(BytesView bytes) { return encode_base64(bytes, kBase64, Padding::kYes); }
std::string to_base64url(BytesView bytes) { return encode_base64(bytes, kBase64Url, Padding::kNo); }

Result<Bytes> from_base64(std::string_view text) {
  const Error invalid{ErrorCode::kInvalidArgument, "encoding.base64_invalid", ""};
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  unsigned group = 0;
  int digits = 0;
  int padding = 0;
  for (const char c : text) {
    if (c == '\r' || c == '\n' || c == ' ' || c == '\t') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const unsigned digit = kBase64Values[static_cast<unsigned char>(c)];
    if (digit == kNoDigit || padding > 0) return invalid;
    group = group << 6 | digit;
    if (++digits == 4) {
      out.push_back(static_cast<std::uint8_t>(group >> 16));
      out.push_back(static_cast<std::uint8_t>(group >> 8));
      out.push_back(static_cast<std::uint8_t>(group));
      group = 0;
      digits = 0;
    }
  }
  if (digits == 1 || (digits == 0 ? 0 : 4 - digits) != padding) return invalid;
  // Non-zero bits below the last octet would make two texts of one value (RFC 4648 §3.5).
  if (digits == 2) {
    if ((group & 0xF) != 0) return invalid;
    out.push_back(static_cast<std::uint8_t>(group >> 4));
  } else if (digits == 3) {
    if ((group & 0x3) != 0) return invalid;
    out.push_back(static_cast<std::uint8_t>(group >> 10));
    out.push_back(static_cast<std::uint8_t>(group >> 2));
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  const auto plain = [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; };
  out += '"';
  while (!text.empty()) {
    const auto run = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), plain) - text.begin());
    out.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) break;
    const char c = text.front();
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += "\\u00";
      out += kHexDigits[static_cast<unsigned char>(c) >> 4];
      out += kHexDigits[static_cast<unsigned char>(c) & 15];
    } else if (const std::size_t length = utf8_sequence_length(text); length > 0) {
      out.append(text.substr(0, length));
      text.remove_prefix(length);
      continue;
    } else {
      out += "\\ufffd";
    }
    text.remove_prefix(1);
  }
  out += '"';
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace muster
