// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <unistd.h>

#include <cstdlib>

namespace muster::cli {
namespace {

void write_line(int fd, std::string_view line) {
  std::string out(line);
  out += '\n';
  std::string_view rest = out;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd, rest.data(), rest.size());
    if (written <= 0) return;  // nobody reads any more: nothing to tell and nobody to tell it to
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string coloured(std::string_view code, std::string_view text) {
  static const bool terminal = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  if (!terminal) return std::string(text);
  return "\033[" + std::string(code) + "m" + std::string(text) + "\033[0m";
}

}  // namespace

void say(std::string_view line) { write_line(STDOUT_FILENO, line); }

int complain(const std::string& sentence) {
  write_line(STDERR_FILENO, "muster: " + sentence);
  return 1;
}

int complain(const Error& error) {
  return complain(error.detail.empty() ? std::string(error.reason)
                                       : error.detail + " (" + std::string(error.reason) + ")");
}

std::string bold(std::string_view text) { return coloured("1", text); }
std::string green(std::string_view text) { return coloured("32", text); }
std::string red(std::string_view text) { return coloured("31", text); }
std::string dim(std::string_view text) { return coloured("2", text); }

}  // namespace muster::cli
