// SPDX-License-Identifier: Apache-2.0
//
// The worker's way from a raw record to its output. A first octet of 0 gives the rest as the whole raw record, which an
// edge with a stolen password may have forged; any other gives it as the payload of a sound one, as a device sends it.
// Oracle: processing never fails (a record that fails would stop its partition for ever), every output decodes, and the
// output of one record is bounded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "core/record.h"
#include "ingest/normalizer.h"

namespace {

using muster::Bytes;
using muster::BytesView;

class CountingTransaction final : public muster::ingest::Transaction {
 public:
  muster::Result<void> produce(muster::ingest::Stream, std::string_view, BytesView record) override {
    if (!muster::decode_record(record).ok()) std::abort();
    octets_ += record.size();
    ++records_;
    return {};
  }
  muster::Result<void> put_state(std::string_view, BytesView) override { return {}; }
  std::size_t octets() const override { return octets_; }
  void advance(const muster::ingest::Cursor&, std::int64_t) override {}
  muster::Result<void> commit() override { return {}; }
  std::size_t records() const { return records_; }

 private:
  std::size_t octets_ = 0;
  std::size_t records_ = 0;
};

Bytes record_with(BytesView payload) {
  muster::RecordView record;
  record.kind = muster::RecordKind::kPublish;
  record.tenant = "acme";
  record.device = "d1";
  record.topic = "acme/d1/telemetry/a";
  record.receive_time = 1'750'000'000'000'000;
  record.payload = payload;
  Bytes encoded;
  if (!muster::append_record(encoded, record).ok()) std::abort();
  return encoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static muster::ingest::Normalizer normalizer;
  const BytesView rest{data + 1, size - 1};
  const Bytes raw = data[0] == 0 ? Bytes{rest.begin(), rest.end()} : record_with(rest);
  CountingTransaction out;
  if (!normalizer.process(raw, out).ok()) std::abort();
  if (out.records() == 0) std::abort();
  if (out.octets() > 64 * raw.size() + (std::size_t{32} << 20)) std::abort();
  return 0;
}
