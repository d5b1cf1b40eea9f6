// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the output of one supervised program: every line goes to its log file, those worth a look go to the terminal
// as "12:34:56 server   message field=value".
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "core/unique_fd.h"

namespace muster::cli {

enum class Verbosity { kWarnings, kEvents };

// ComponentLog is confined to the supervisor's thread.
class ComponentLog {
 public:
  // Appends to `folder`/`component`.log. A file above 16 MiB becomes `component`.log.1 first.
  // Reason: folder.unusable.
  static Result<ComponentLog> open(const std::string& folder, const std::string& component, Verbosity verbosity);

  // Takes output as it comes, in any pieces; a line is handled when its newline is there.
  void take(std::string_view output);
  const std::string& path() const { return path_; }
  // The last line, for saying why a program did not start.
  std::string last_line() const { return last_line_; }

 private:
  ComponentLog() = default;
  void handle_line(const std::string& line);
  std::string path_;
  std::string component_;
  Verbosity verbosity_ = Verbosity::kEvents;
  UniqueFd file_;
  std::size_t size_ = 0;
  std::string partial_;
  std::string last_line_;
};

// render_log_line turns one line of a program into what a person reads; empty when it is not worth showing.
std::string render_log_line(const std::string& component, const std::string& line, Verbosity verbosity);

}  // namespace muster::cli
