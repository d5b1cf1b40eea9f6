// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a snapshot costs: its size, the time until a broker can use it, the time of one delta, and the edge's
// share of loading everything. The files come from the writer that `muster edge` uses and go through the folder that
// the plugin watches. Prints one JSON line.
//
//   snapshot_bench DEVICES FOLDER [--unique-labels]
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "auth-plugin/anchor_index.h"
#include "auth-plugin/external_index.h"
#include "bench/fleet_base.h"
#include "edge/agent/entity_digest.h"
#include "edge/agent/entity_reader.h"
#include "edge/base_file.h"
#include "edge/base_file_writer.h"
#include "edge/entity_line.h"
#include "edge/snapshot_folder_writer.h"
#include "edge/snapshot_loader.h"

namespace muster::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kDeltas = 400;
constexpr std::size_t kOpens = 9;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

double at_quantile(std::vector<double> values, double quantile) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(static_cast<double>(values.size()) * quantile))];
}

const edge::StreamPosition kFirst{RawId{{1}}, 1};

// Line by line as they arrive from the server; making the lines is not the edge's work and is not counted.
double load_seconds(const Fleet& fleet, edge::BaseFileWriter& base) {
  double seconds = 0;
  edge::EntityDigest digest;
  std::vector<std::string> lines;
  const auto take = [&] {
    const auto start = SteadyClock::now();
    for (const std::string& line : lines) {
      auto parsed = edge::parse_stream_line(line);
      if (!parsed.ok()) fail("a line cannot be read");
      const auto& entity = std::get<edge::IdentityChange>(*parsed);
      digest.toggle(entity);
      if (!base.add(entity).ok()) fail("an entity cannot be written");
    }
    seconds += seconds_since(start);
    lines.clear();
  };
  fleet.for_each([&](const edge::IdentityChange& entity) {
    lines.push_back(edge::to_entity_line(entity));
    if (lines.size() == 10'000) take();
  });
  take();
  return seconds;
}

std::unique_ptr<edge::SnapshotFolder> make_reader(const std::string& folder, const std::string& state) {
  edge::SnapshotFolderConfig config;
  config.folder = folder;
  config.state_file = state;
  auto reader = edge::SnapshotFolder::create(std::move(config));
  if (!reader.ok()) fail("the folder cannot be read: " + reader.error().detail);
  return std::move(reader).value();
}

void expect_usable(const edge::IdentityView& view, const Fleet& fleet, std::size_t i) {
  const auto certificate = view.find_certificate(fleet.certificate(i).id);
  const auto device = certificate ? view.find_device(certificate->device_id) : std::nullopt;
  const std::string tenant = fleet.tenant_of(i).name;
  const std::string name = fleet.device(i).name;
  const PolicySubject subject{tenant, name, {}, {}};
  const bool works = device && device->id == fleet.device(i).id && view.find_tenant(device->tenant_id) &&
                     device->policy->allows_publish(subject, tenant + "/" + name + "/telemetry/x") &&
                     !view.find_issuers_by_key(fleet.issuer_of(i).spki_sha256).empty();
  if (!works) fail("device " + std::to_string(i) + " cannot be looked up");
}

struct Usable {
  double milliseconds = 0;  // opened, checked, one device looked up
  double with_anchors = 0;  // and the keys of all issuing CAs loaded: the first handshake can be judged
};

Usable measure_usable(const Fleet& fleet, const std::string& folder) {
  std::vector<double> opened, complete;
  for (std::size_t i = 0; i < kOpens; ++i) {
    const auto start = SteadyClock::now();
    const auto view = edge::load_base(folder, geteuid());
    if (!view.ok()) fail("the base cannot be opened: " + view.error().detail);
    expect_usable(**view, fleet, i * 97 % fleet.shape().devices);
    opened.push_back(seconds_since(start) * 1e3);
    const auto anchors = auth_plugin::AnchorIndex::build(**view, nullptr);
    const auto external = auth_plugin::ExternalIndex::build(**view, nullptr);
    complete.push_back(seconds_since(start) * 1e3);
    if (anchors->size() != fleet.shape().tenants() || !external->empty()) fail("anchors are missing");
  }
  return {at_quantile(opened, 0.5), at_quantile(complete, 0.5)};
}

struct DeltaTimes {
  std::vector<double> refresh;  // ms: the folder read, the delta checked, the new view there
  std::vector<double> apply;    // ms: the new view alone, from a delta in memory
};

DeltaTimes measure_deltas(const Fleet& fleet, edge::SnapshotFolderWriter& writer, edge::SnapshotFolder& reader) {
  DeltaTimes times;
  for (std::size_t i = 0; i < kDeltas; ++i) {
    edge::CertificateState revoked = fleet.certificate(i * 31 % fleet.shape().devices);
    revoked.status = edge::EntityStatus::kGone;
    const edge::IdentityChange change{revoked};
    const edge::StreamPosition from = writer.view()->position();
    const edge::StreamPosition to{from.epoch, from.number + 1};
    if (!writer.write_delta(from, to, {&change, 1}).ok()) fail("a delta cannot be written");
    auto start = SteadyClock::now();
    const auto update = reader.refresh();
    times.refresh.push_back(seconds_since(start) * 1e3);
    if (!update.ok() || !*update) fail("a delta was not taken");
    const auto found = (*update)->view->find_certificate(revoked.id);
    if (!found || found->status != edge::EntityStatus::kGone) fail("a revocation has no effect");
    reader.settle();
    start = SteadyClock::now();
    const auto next = writer.view()->with(to, {&change, 1});
    times.apply.push_back(seconds_since(start) * 1e3);
  }
  return times;
}

double resident_mebibytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

int run(const FleetShape& shape, const std::string& work) {
  const std::string folder = work + "/snapshot";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  chmod(folder.c_str(), 0755);
  const std::string state = work + "/held";
  unlink(state.c_str());
  const Fleet fleet{shape};
  auto writer = edge::SnapshotFolderWriter::open({.folder = folder, .max_deltas = 2 * kDeltas});
  if (!writer.ok()) fail("the folder cannot be written: " + writer.error().detail);

  edge::BaseFileWriter base;
  const double load = load_seconds(fleet, base);
  auto start = SteadyClock::now();
  const auto written = writer->replace_base(kFirst, std::move(base));
  if (!written.ok()) fail("the base cannot be written: " + written.error().detail);
  const double write = seconds_since(start);
  const double peak = resident_mebibytes();
  const auto size = static_cast<double>(std::filesystem::file_size(edge::base_path(folder)));
  const edge::BaseFile::Sizes sizes = edge::BaseFile::open(edge::base_path(folder), geteuid()).value()->sizes();

  const Usable usable = measure_usable(fleet, folder);
  const auto reader = make_reader(folder, state);
  if (!reader->refresh().ok()) fail("the folder cannot be read");
  const DeltaTimes deltas = measure_deltas(fleet, *writer, *reader);
  start = SteadyClock::now();
  if (!writer->compact().ok()) fail("the folder cannot be compacted");
  const double compaction = seconds_since(start);

  std::printf(
      "{\"devices\":%zu,\"tenants\":%zu,\"policies\":%zu,\"revoked\":%zu,\"file_mb\":%.3f,\"fixed_octets\":%.2f,"
      "\"pool_mb\":%.3f,\"usable_ms\":%.2f,\"with_anchors_ms\":%.2f,\"delta_ms\":%.4f,\"delta_p99_ms\":%.4f,"
      "\"apply_ms\":%.5f,\"load_s\":%.3f,\"write_s\":%.3f,\"compaction_s\":%.3f,\"peak_mib\":%.0f}\n",
      shape.devices, shape.tenants(), shape.policies(), shape.revoked(), size / 1e6,
      static_cast<double>(sizes.rows) / static_cast<double>(shape.devices), static_cast<double>(sizes.pool) / 1e6,
      usable.milliseconds, usable.with_anchors, at_quantile(deltas.refresh, 0.5), at_quantile(deltas.refresh, 0.99),
      at_quantile(deltas.apply, 0.5), load, write, compaction, peak);
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace muster::bench

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: snapshot_bench DEVICES FOLDER [--unique-labels]\n");
    return 2;
  }
  muster::bench::FleetShape shape;
  shape.devices = std::strtoull(argv[1], nullptr, 10);
  shape.unique_labels = argc > 3 && std::strcmp(argv[3], "--unique-labels") == 0;
  if (shape.devices == 0) return 2;
  return muster::bench::run(shape, argv[2]);
}
