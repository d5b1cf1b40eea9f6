// SPDX-License-Identifier: Apache-2.0
//
// Purpose: name constraints of RFC 5280 §4.2.1.10 for directoryName, rfc822Name, dNSName, URI and iPAddress. Names of
// any other form are refused where a constraint of that form exists. Private to x509/.
//
// Deviations, all on the side of refusing: an emailAddress in the subject counts as an rfc822Name also beside a
// subjectAltName; a name that cannot be read violates every constraint of its form; a wildcard dNSName is excluded by
// whatever it might stand for; a URI with userinfo, a port or an upper-case host has no host.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "x509/certificate.h"
#include "x509/distinguished_name.h"

namespace muster::x509 {

// ConstrainedName is a name, or the base of a subtree, made comparable.
struct ConstrainedName {
  std::uint8_t tag = 0;                          // as in GeneralName
  bool readable = false;                         // false: malformed for its form
  std::string host{};                            // 1, 2, 6: lower-case; of a subtree with its leading period
  std::optional<std::string> mailbox{};          // 1: the part before "@"
  Bytes address{};                               // 7: address; of a subtree address and mask
  std::optional<DistinguishedName> directory{};  // 4
};

// NameConstraintChecker compares names with subtrees; every certificate is read once, every comparison counts. Views
// the certificates it was given, which must outlive it. Confined to one validation.
class NameConstraintChecker {
 public:
  explicit NameConstraintChecker(std::size_t max_comparisons) : max_comparisons_(max_comparisons) {}

  // Whether `subject`'s names obey `issuer`'s constraints. Returns an empty reason, chain.name_constraint_violated,
  // chain.name_constraint_unsupported, chain.name_constraint_malformed or chain.name_constraints_too_costly.
  std::string_view check(const Certificate& subject, const Certificate& issuer);
  std::size_t comparisons() const { return comparisons_; }

 private:
  struct Subtrees {
    std::vector<ConstrainedName> permitted;
    std::vector<ConstrainedName> excluded;
    bool readable = true;
  };
  const Subtrees& subtrees_of(const Certificate& issuer);
  const std::vector<ConstrainedName>& names_of(const Certificate& subject);

  std::size_t max_comparisons_;
  std::size_t comparisons_ = 0;
  std::map<const std::uint8_t*, Subtrees> subtrees_;                   // by the address of the certificate's octets
  std::map<const std::uint8_t*, std::vector<ConstrainedName>> names_;  //
};

// is_host_name tells whether `text` is a series of labels of letters, digits, hyphens and underscores.
bool is_host_name(std::string_view text);

}  // namespace muster::x509
