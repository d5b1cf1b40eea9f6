// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/encoding.h"
#include "registry/audit_chain.h"
#include "registry/cursor.h"
#include "registry/device_store.h"
#include "registry/json_text.h"
#include "registry/reasons.h"

namespace muster::registry {
namespace {

TEST(Labels, AreSortedAndCannotHoldWhatMqttGivesAMeaning) {
  struct Case {
    Labels labels;
    bool allowed;
  };
  const Case cases[] = {
      {{{"b", "2"}, {"a", "1"}}, true},
      {{{"mac", "00:1a:2b"}}, true},
      {{{"city", "Gr\xc3\xb6\xc3\x9f"}}, true},
      {{{"a", "1"}, {"a", "2"}}, false},
      {{{"a", "x/y"}}, false},
      {{{"a", "+"}}, false},
      {{{"a", "#"}}, false},
      {{{"a", "x\n"}}, false},
      {{{"a", "\xff"}}, false},
      {{{"", "x"}}, false},
      {{{"-a", "x"}}, false},
      {{{"a", std::string(257, 'x')}}, false},
      {Labels(33, {"a", "x"}), false},
  };
  for (const Case& c : cases) {
    const auto result = normalise_labels(c.labels);
    EXPECT_EQ(result.ok(), c.allowed) << c.labels[0].first << "=" << c.labels[0].second;
    if (!result.ok()) {
      EXPECT_EQ(result.error().reason, kLabelInvalid);
    }
  }
  EXPECT_EQ(normalise_labels({{"b", "2"}, {"a", "1"}}).value()[0].first, "a");
}

TEST(Groups, AreSortedAndUnique) {
  EXPECT_EQ(normalise_groups({"b", "a", "b"}).value(), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(normalise_groups({"a b"}).ok());
}

TEST(Cursor, IsRefusedUnlessWeCouldHaveMadeIt) {
  EXPECT_EQ(decode_cursor(encode_cursor("pump-7")).value(), "pump-7");
  for (const char* bad : {"x", "0", "00", "ff"}) EXPECT_FALSE(decode_cursor(bad).ok()) << bad;
  EXPECT_EQ(decode_number_cursor(encode_cursor("42"), 0).value(), 42);
  EXPECT_EQ(decode_number_cursor("", 7).value(), 7);
  EXPECT_FALSE(decode_number_cursor(encode_cursor("-1"), 0).ok());
  EXPECT_FALSE(decode_number_cursor(encode_cursor("99999999999999999999"), 0).ok());
}

TEST(JsonText, QuotesWhatItHolds) {
  const TextPairs pairs = {{"a", "\"\\\n"}, {"b", ""}};
  EXPECT_EQ(to_json_object(pairs), "{\"a\":\"\\\"\\\\\\n\",\"b\":\"\"}");
}

TEST(JsonText, PairsComeBackSortedByName) {
  const TextPairs pairs = {{"a", "x\x01y"}, {"b", ""}};
  EXPECT_EQ(to_pairs({"b\x01", "a\x01x\x01y"}), pairs);
}

// Version 1 never changes: chains that were written with it must verify for ever.
TEST(AuditEncoding, VersionOneIsFixed) {
  AuditRow row;
  row.id = 9;
  row.sequence = 2;
  row.at = 1;
  row.tenant_id = TenantId::parse("00112233-4455-6677-8899-aabbccddeeff").value();
  row.actor = "a";
  row.action = "b.c";
  row.outcome = AuditOutcome::kRefused;
  row.detail = {{"k", "v"}};

  EXPECT_EQ(to_hex(encode_audit_row(row)),
            "01"
            "00112233445566778899aabbccddeeff"
            "0000000000000002"
            "0000000000000009"
            "0000000000000001"
            "01"
            "0000000161"
            "00000003622e63"
            "00000000"
            "00000000"
            "00000001"
            "000000016b"
            "0000000176");
}

TEST(AuditEncoding, NoTwoRowsHaveOneEncoding) {
  AuditRow one;
  one.sequence = 1;
  one.actor = "ab";
  AuditRow other = one;
  other.actor = "a";
  other.action = "b";

  EXPECT_NE(encode_audit_row(one), encode_audit_row(other));
  EXPECT_NE(chain_hash({}, encode_audit_row(one)), chain_hash({}, encode_audit_row(other)));
}

}  // namespace
}  // namespace muster::registry
