// SPDX-License-Identifier: Apache-2.0
//
// Oracle: how the octets are cut into reads must not change what they mean.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/request_parser.h"

namespace {

using muster::http::RequestParser;

// What the parser makes of `input` when it arrives in pieces of `piece` octets: one line a request.
std::string meaning(std::string_view input, std::size_t piece) {
  RequestParser parser{muster::http::ParserLimits{}};
  std::string out;
  for (;;) {
    switch (parser.step()) {
      case RequestParser::Step::kNeedMore: {
        if (input.empty()) return out;
        const std::string_view next = input.substr(0, piece);
        input.remove_prefix(next.size());
        parser.feed(next);
        break;
      }
      case RequestParser::Step::kHeadComplete:
        if (!parser.begin_body(muster::http::BodyStorage::kMemory, 65536).ok()) return out + "body refused";
        break;
      case RequestParser::Step::kComplete:
        out +=
            parser.request().method + " " + parser.request().target + " " + std::to_string(parser.body_bytes()) + "\n";
        if (!parser.keep_alive()) return out;
        parser.reset();
        break;
      case RequestParser::Step::kFailed: return out + "failed";
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 20000) return 0;
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  if (meaning(input, size + 1) != meaning(input, 1)) std::abort();
  return 0;
}
