// SPDX-License-Identifier: Apache-2.0
#include "cli/break_in.h"

#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "cli/child_process.h"
#include "cli/reasons.h"
#include "core/file.h"

namespace muster::cli {
namespace {

// mosquitto_pub tries again for ever when the broker closes the connection: that long, and it was refused.
constexpr std::chrono::milliseconds kAttemptLimit{2'500};

Result<std::string> required_program(const char* name) {
  const auto found = find_program(name);
  if (found) return *found;
  return Error{ErrorCode::kFailedPrecondition, kProgramMissing,
               std::string(name) + " is missing; run scripts/install-deps"};
}

Result<void> write_text(const std::string& path, const std::string& text, mode_t mode) {
  return write_file_durably(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, mode);
}

// The line that says most: a refusal, otherwise the last one.
std::string telling_line(const std::string& output) {
  std::istringstream lines(output);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    for (const char* word : {"failed", "denied", "efused", "not authori", "Error", "ertificate", "CONNACK (1"}) {
      if (line.find(word) != std::string::npos) return line;
    }
    if (!line.empty()) last = line;
  }
  return last.empty() ? "the connection was closed" : last;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

Result<Attacker> Attacker::create(const BrokerAddress& broker, const std::string& folder) {
  MUSTER_TRY(std::string publisher, required_program("mosquitto_pub"));
  MUSTER_TRY(std::string subscriber, required_program("mosquitto_sub"));
  if (mkdir(folder.c_str(), 0700) != 0 && access(folder.c_str(), W_OK) != 0) {
    return Error{ErrorCode::kFailedPrecondition, kFolderUnusable, folder + " cannot be made"};
  }
  return Attacker(broker, folder, std::move(publisher), std::move(subscriber));
}

Result<PemFiles> Attacker::write_identity(const std::string& name, const std::string& certificate_pem,
                                          const std::string& key_pem) const {
  const PemFiles files{folder_ + "/" + name + ".pem", folder_ + "/" + name + ".key"};
  MUSTER_TRY_VOID(write_text(files.certificate, certificate_pem, 0644));
  MUSTER_TRY_VOID(write_text(files.key, key_pem, 0600));
  return files;
}

std::vector<std::string> Attacker::connection_arguments(const Attempt& attempt) const {
  std::vector<std::string> out{"-h",         broker_.host,
                               "-p",         std::to_string(broker_.port),
                               "--cafile",   broker_.ca_file,
                               "-i",         attempt.client_id,
                               "-V",         "mqttv5",
                               "-q",         "1",
                               "-d",         "-t",
                               attempt.topic};
  if (attempt.identity.certificate.empty()) return out;
  for (const std::string& word :
       {std::string("--cert"), attempt.identity.certificate, std::string("--key"), attempt.identity.key}) {
    out.push_back(word);
  }
  return out;
}

Result<Outcome> Attacker::publish(const Attempt& attempt) const {
  ChildSpec spec;
  spec.arguments = {publisher_, "-m", "{\"from\":\"an attacker\"}"};
  const std::vector<std::string> connection = connection_arguments(attempt);
  spec.arguments.insert(spec.arguments.end(), connection.begin(), connection.end());
  MUSTER_TRY(const FinishedProgram done, run_program(spec, kAttemptLimit));
  // The client prints the failure of a PUBACK as a warning of its own.
  const bool worked = contains(done.output, "received PUBACK") && !contains(done.output, " failed");
  return Outcome{worked, telling_line(done.output)};
}

Result<Outcome> Attacker::subscribe(const Attempt& attempt) const {
  ChildSpec spec;
  spec.arguments = {subscriber_, "-E"};  // ends when the subscription was answered
  const std::vector<std::string> connection = connection_arguments(attempt);
  spec.arguments.insert(spec.arguments.end(), connection.begin(), connection.end());
  MUSTER_TRY(const FinishedProgram done, run_program(spec, kAttemptLimit));
  const bool worked = contains(done.output, "received SUBACK") && !contains(done.output, "denied") &&
                      !contains(done.output, ": 135") && !contains(done.output, ": 128");
  return Outcome{worked, telling_line(done.output)};
}

}  // namespace muster::cli
