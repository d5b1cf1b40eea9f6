// SPDX-License-Identifier: Apache-2.0
//
// Purpose: comparing distinguished names as RFC 5280 §7.1 wants: strings without regard to their ASN.1 type, to case
// and to how much white space there is.
//
// Deviation: of RFC 4518's preparation only ASCII case folding and white space; other letters compare as they are,
// which errs on the side of "different".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"

namespace muster::x509 {

// DistinguishedName is a Name made comparable. A value.
class DistinguishedName {
 public:
  // `name` is DER (RDNSequence). nullopt where it is malformed or a string is not of its type's alphabet.
  static std::optional<DistinguishedName> parse(BytesView name);

  bool is_empty() const { return rdns_.empty(); }
  // Whether the name is `base` or below it: `base`'s RDNs are its first ones.
  bool is_within(const DistinguishedName& base) const;
  const std::vector<std::string>& email_addresses() const { return email_addresses_; }  // emailAddress attributes
  friend bool operator==(const DistinguishedName& a, const DistinguishedName& b) { return a.rdns_ == b.rdns_; }

 private:
  std::vector<std::string> rdns_;  // each a canonical text of its set of attributes
  std::vector<std::string> email_addresses_;
};

// is_same_name compares two Names (DER); equal octets are equal names, whatever they hold.
bool is_same_name(BytesView a, BytesView b);

// NameTable compares Names as is_same_name does, but reads each only once: whoever presents certificates chooses how
// long their names are and how often a search comes by. Views the names, which must outlive it. Confined to one
// validation.
class NameTable {
 public:
  bool same(BytesView a, BytesView b);

 private:
  struct Entry {
    const std::uint8_t* octets;
    std::optional<DistinguishedName> name;
    std::size_t id;  // of the first entry with this name
  };
  std::size_t id_of(BytesView name);
  std::vector<Entry> entries_;
};

}  // namespace muster::x509
