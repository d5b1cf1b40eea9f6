// SPDX-License-Identifier: Apache-2.0
#include "http/body.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace muster::http {

Body::Body(Body&& other) noexcept
    : memory_(std::move(other.memory_)),
      file_(std::move(other.file_)),
      file_size_(std::exchange(other.file_size_, 0)),
      mapping_(std::exchange(other.mapping_, nullptr)) {}

Body& Body::operator=(Body&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  memory_ = std::move(other.memory_);
  file_ = std::move(other.file_);
  file_size_ = std::exchange(other.file_size_, 0);
  mapping_ = std::exchange(other.mapping_, nullptr);
  return *this;
}

Body::~Body() { unmap(); }

void Body::unmap() {
  if (mapping_ != nullptr) munmap(mapping_, file_size_);
  mapping_ = nullptr;
}

Result<Body> Body::in_file() {
  const char* folder = std::getenv("TMPDIR");
  std::string pattern = std::string{folder != nullptr && *folder != '\0' ? folder : "/tmp"} + "/muster-body-XXXXXX";
  UniqueFd file{mkostemp(pattern.data(), O_CLOEXEC)};
  if (!file) return internal_error(std::string{"no temporary file for a request body: "} + std::strerror(errno));
  unlink(pattern.c_str());
  Body body;
  body.file_ = std::move(file);
  return body;
}

Result<void> Body::append(std::string_view octets) {
  if (!file_) {
    memory_.append(octets);
    return {};
  }
  while (!octets.empty()) {
    const ssize_t written = write(file_.get(), octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return internal_error(std::string{"cannot spool a request body: "} + std::strerror(errno));
    file_size_ += static_cast<std::size_t>(written);
    octets.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::string_view> Body::view() const {
  if (!file_) return std::string_view{memory_};
  if (file_size_ == 0) return std::string_view{};
  if (mapping_ == nullptr) {
    void* mapping = mmap(nullptr, file_size_, PROT_READ, MAP_PRIVATE, file_.get(), 0);
    if (mapping == MAP_FAILED) return internal_error(std::string{"cannot map a request body: "} + std::strerror(errno));
    mapping_ = mapping;
  }
  return std::string_view{static_cast<const char*>(mapping_), file_size_};
}

}  // namespace muster::http
