// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/hold_bio.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

namespace muster::auth_plugin {
namespace {

using Hold = std::shared_ptr<HoldConnection>;

Hold* hold_of(BIO* bio) { return static_cast<Hold*>(BIO_get_data(bio)); }

int write_held(BIO* bio, const char* data, int size) noexcept {
  BIO_clear_retry_flags(bio);
  Hold* hold = hold_of(bio);
  if (!hold || !data || size <= 0) return -1;
  try {
    switch ((*hold)->offer({data, static_cast<std::size_t>(size)})) {
      case HoldConnection::Offer::kHeld: return size;
      case HoldConnection::Offer::kRetry: BIO_set_retry_write(bio); return -1;
      case HoldConnection::Offer::kPass: break;
    }
  } catch (...) {
    return -1;  // no memory: without a retry flag the broker closes the connection
  }
  const int written = BIO_write(BIO_next(bio), data, size);
  BIO_copy_next_retry(bio);
  return written;
}

int read_through(BIO* bio, char* data, int size) noexcept {
  BIO_clear_retry_flags(bio);
  const int got = BIO_read(BIO_next(bio), data, size);
  BIO_copy_next_retry(bio);
  return got;
}

long control_through(BIO* bio, int command, long number, void* pointer) noexcept {
  return BIO_next(bio) ? BIO_ctrl(BIO_next(bio), command, number, pointer) : 0;
}

int create(BIO* bio) noexcept {
  BIO_set_init(bio, 1);
  return 1;
}

// SSL_free comes before the broker closes the descriptor.
int destroy(BIO* bio) noexcept {
  Hold* hold = hold_of(bio);
  if (!hold) return 1;
  try {
    (*hold)->close();
  } catch (...) {
    (*hold)->kill();
  }
  delete hold;
  BIO_set_data(bio, nullptr);
  return 1;
}

// Lives as long as the process: connections may be freed after the plugin's cleanup.
BIO_METHOD* method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "muster durability hold");
    if (!m) return m;
    BIO_meth_set_write(m, write_held);
    BIO_meth_set_read(m, read_through);
    BIO_meth_set_ctrl(m, control_through);
    BIO_meth_set_create(m, create);
    BIO_meth_set_destroy(m, destroy);
    return m;
  }();
  return made;
}

}  // namespace

bool install_hold_bio(ssl_st* connection, const std::shared_ptr<HoldConnection>& hold) {
  BIO* socket = connection ? SSL_get_wbio(connection) : nullptr;
  if (!socket || !method() || (BIO_method_type(socket) & BIO_TYPE_SOURCE_SINK) == 0) return false;
  BIO* filter = BIO_new(method());
  if (!filter) return false;
  BIO_set_data(filter, new Hold(hold));
  // SSL_set0_wbio drops one reference to the socket's BIO and takes over ours of the filter, which owns its own.
  BIO_up_ref(socket);
  BIO_push(filter, socket);
  SSL_set0_wbio(connection, filter);
  return true;
}

}  // namespace muster::auth_plugin
