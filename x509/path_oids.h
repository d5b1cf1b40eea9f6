// SPDX-License-Identifier: Apache-2.0
//
// Purpose: contents octets of the object identifiers that only path validation and CRLs of others know. Private to
// x509/.
#pragma once

#include <cstdint>

namespace muster::x509::oid {

// Certificate, CRL and CRL entry extensions, 2.5.29.n
inline constexpr std::uint8_t kDeltaCrlIndicator[] = {0x55, 0x1D, 0x1B};
inline constexpr std::uint8_t kCertificateIssuer[] = {0x55, 0x1D, 0x1D};
inline constexpr std::uint8_t kPolicyMappings[] = {0x55, 0x1D, 0x21};
inline constexpr std::uint8_t kPolicyConstraints[] = {0x55, 0x1D, 0x24};
inline constexpr std::uint8_t kInhibitAnyPolicy[] = {0x55, 0x1D, 0x36};

// Names
inline constexpr std::uint8_t kEmailAddress[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01};

}  // namespace muster::x509::oid
