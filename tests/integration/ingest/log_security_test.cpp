// SPDX-License-Identifier: Apache-2.0
//
// What an edge's database role can do by itself, without our code: append its own records at the end, and nothing else.
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "contract/log_batch.h"
#include "ingest/reasons.h"
#include "integration/ingest/log_lab.h"
#include "support/eventually.h"

namespace muster::ingest {
namespace {

// Session is a raw connection, as somebody with a stolen edge's password would have.
class Session {
 public:
  Session(const LogLab& lab, const std::string& role) : connection_(PQconnectdb(lab.database().url(role).c_str())) {
    EXPECT_EQ(PQstatus(connection_), CONNECTION_OK) << PQerrorMessage(connection_);
  }
  ~Session() { PQfinish(connection_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // "" for success, else the SQLSTATE.
  std::string run(const std::string& sql) {
    PGresult* result = PQexec(connection_, sql.c_str());
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string outcome = state == nullptr ? "" : state;
    PQclear(result);
    return outcome;
  }

 private:
  PGconn* connection_;
};

constexpr const char* kDenied = "42501";
constexpr const char* kRefused = "ML004";

class LogSecurity : public testing::Test {
 protected:
  // An INSERT as the edge, each value chosen by the forger. Ids stand inside the record too, unless `inside` differs.
  static std::string insert(const std::string& offset, const std::string& appender, const std::string& tenant,
                            const std::string& inside, const std::string& time = "log_time") {
    const std::string incarnation = "11111111-1111-1111-1111-111111111111";
    const std::string device = "22222222-2222-2222-2222-222222222222";
    const std::string at = time == "log_time" ? "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint" : time;
    return "INSERT INTO log.raw_1_0003 (log_offset, append_time, sequence, appender, kind, tenant_id, device_id, "
           "incarnation, record) VALUES (" +
           offset + ", " + at + ", 1, " + appender + ", 1, '" + tenant + "', '" + device + "', '" + incarnation +
           "', '\\x01010000000000000100000000000000'::bytea || uuid_send('" + incarnation + "') || uuid_send('" +
           inside + "') || uuid_send('" + device + "'))";
  }
  std::string appender_id(int number) {
    return lab_.execute("SELECT id FROM log.appenders WHERE role = '" + LogLab::edge_role(number) + "'");
  }
  const std::string tenant_ = "33333333-3333-3333-3333-333333333333";
  const std::string other_ = "44444444-4444-4444-4444-444444444444";
  LogLab lab_;
};

TEST_F(LogSecurity, AnEdgeCanReadNothing) {
  Session edge{lab_, LogLab::edge_role(1)};
  for (const char* sql :
       {"SELECT record FROM log.raw_1_0000", "SELECT * FROM log.heads", "SELECT * FROM log.marks",
        "SELECT * FROM log.appenders", "SELECT * FROM log.groups", "SELECT record FROM log.normalized_1_0000",
        "DELETE FROM log.raw_1_0000", "UPDATE log.heads SET next_offset = 0", "TRUNCATE log.raw_1_0000",
        "INSERT INTO log.normalized_1_0000 (log_offset) VALUES (0)", "SELECT log.grant_appender('muster_edge_x')",
        "SELECT log.lease('g', gen_random_uuid(), '{1}', 1000)", "SELECT log.open_epoch('raw', 2)",
        "SELECT log.take_incarnation(gen_random_uuid(), 1)", "SELECT log.trim('raw', 0)",
        "SELECT log.tenant_heads(1::smallint)", "SET ROLE muster_worker", "CREATE TABLE log.x ()"}) {
    EXPECT_EQ(edge.run(sql), kDenied) << sql;
  }
}

TEST_F(LogSecurity, AnEdgeCanOnlyContinueAPartitionUnderItsOwnName) {
  Session edge{lab_, LogLab::edge_role(1)};
  const std::string own = appender_id(1);

  EXPECT_EQ(edge.run(insert("0", appender_id(2), tenant_, tenant_)), kDenied) << "another's rows";
  EXPECT_EQ(edge.run(insert("7", own, tenant_, tenant_)), kRefused) << "a gap";
  EXPECT_EQ(edge.run(insert("0", own, tenant_, other_)), "23514") << "columns that differ from the record";
  EXPECT_EQ(edge.run(insert("0", own, tenant_, tenant_, "9000000000000000")), kRefused) << "from the future";
  EXPECT_EQ(edge.run(insert("0", own, tenant_, tenant_)), "");
  EXPECT_EQ(edge.run(insert("1", own, tenant_, tenant_)), kRefused) << "the same sequence again";
  EXPECT_EQ(edge.run(insert("1", own, tenant_, tenant_, "5")), kRefused) << "time going back";
}

TEST_F(LogSecurity, AnEdgeOfNamedTenantsWritesTheirRecordsOnly) {
  lab_.execute("SELECT log.grant_appender('" + LogLab::edge_role(1) + "', ARRAY['" + tenant_ + "'::uuid])");
  Session edge{lab_, LogLab::edge_role(1)};

  EXPECT_EQ(edge.run(insert("0", appender_id(1), other_, other_)), kDenied);
  EXPECT_EQ(edge.run(insert("0", appender_id(1), tenant_, tenant_)), "");
}

TEST_F(LogSecurity, AnEdgeCanUseNothingBesideTheLog) {
  Session edge{lab_, LogLab::edge_role(1)};
  for (const char* sql :
       {"SELECT pg_advisory_lock(7021788553)", "SELECT pg_try_advisory_lock(120299105805682)",
        "SELECT pg_advisory_xact_lock_shared(1, 2)", "CREATE TEMPORARY TABLE t AS SELECT 1", "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')", "SELECT pg_logical_emit_message(false, 'a', repeat('x', 1000))",
        "DO $$ BEGIN LOCK TABLE log.raw_1_0000; END $$", "DO $$ BEGIN LOCK TABLE log.raw_1_0000 IN SHARE MODE; END $$",
        "DO $$ BEGIN LOCK TABLE log.heads; END $$", "CREATE TABLE public.t ()", "SELECT log.end_stalled_appenders()",
        "SELECT * FROM log.open_append(NULL, '{2}', '{1}', '{0}')",
        "SELECT * FROM log.open_append(gen_random_uuid(), '{3}', '{1}', '{0}')"}) {
    EXPECT_EQ(edge.run(sql), kDenied) << sql;
  }
  EXPECT_EQ(edge.run("SELECT * FROM log.open_append(gen_random_uuid(), '{1,4}', '{1,1}', '{0,0}')"), "");
}

TEST_F(LogSecurity, ARecordThatNoPluginWritesIsRefused) {
  Session edge{lab_, LogLab::edge_role(1)};
  std::string huge = insert("0", appender_id(1), tenant_, tenant_);
  huge.insert(huge.size() - 1, " || convert_to(repeat('x', 4194304), 'UTF8')");

  EXPECT_EQ(edge.run(huge), "23514");
  lab_.execute("SELECT log.open_epoch('raw', 1)");
  EXPECT_EQ(lab_.execute("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'raw%bounded'"), "17");
}

// Its own limits it may lift; but whoever waits behind it has it ended.
TEST_F(LogSecurity, AnEdgeThatSitsOnAPartitionIsEnded) {
  Session edge{lab_, LogLab::edge_role(1)};
  ASSERT_EQ(edge.run("SET idle_in_transaction_session_timeout = 0"), "");
  ASSERT_EQ(edge.run("BEGIN"), "");
  ASSERT_EQ(edge.run("SELECT * FROM log.open_append(gen_random_uuid(), '{1}', '{1}', '{3}')"), "");
  Session victim{lab_, LogLab::edge_role(2)};
  const std::string ask = "SELECT log.stored_through(gen_random_uuid())";
  ASSERT_EQ(victim.run(ask), "");
  EXPECT_EQ(edge.run("SELECT 1"), "") << "an honest one is left alone";

  EXPECT_TRUE(test_support::eventually(
      [&] {
        EXPECT_EQ(victim.run(ask), "");
        return lab_.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = '" + LogLab::edge_role(1) + "'") ==
               "0";
      },
      std::chrono::seconds{40}));
}

TEST_F(LogSecurity, ARevokedEdgeIsCutOffAndItsRoleCanBeDropped) {
  const std::string role = "muster_edge_" + std::string(32, 'f');
  lab_.execute("CREATE ROLE " + role + " LOGIN NOINHERIT; SELECT log.grant_appender('" + role + "')");
  auto log = lab_.open(role);
  auto appender = log->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  ASSERT_TRUE(appender->append(incarnation, Batch{incarnation}.add(1).entries()).ok());

  lab_.execute("SELECT log.revoke_appender('" + role + "')");

  EXPECT_FALSE(appender->append(incarnation, Batch{incarnation}.add(2).entries()).ok());
  EXPECT_EQ(appender->append(incarnation, Batch{incarnation}.add(2).entries()).error().reason,
            reasons::kPermissionDenied);
  EXPECT_NO_THROW(lab_.execute("DROP ROLE " + role));
  EXPECT_EQ(lab_.execute("SELECT sum(next_offset) FROM log.heads"), "1");
}

TEST_F(LogSecurity, ACommitIsDurableWhateverTheRolesDefault) {
  lab_.execute("ALTER DATABASE " + lab_.database().name() + " SET synchronous_commit = off");
  auto log = lab_.as_edge(1);
  auto appender = log->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  lab_.execute(
      "CREATE FUNCTION public.note_setting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
      "current_setting('synchronous_commit') <> 'on' THEN RAISE EXCEPTION 'not durable'; END IF; RETURN NULL; END $$; "
      "CREATE TRIGGER note AFTER UPDATE ON log.heads FOR EACH ROW EXECUTE FUNCTION public.note_setting()");

  EXPECT_TRUE(appender->append(incarnation, Batch{incarnation}.add(1).entries()).ok());
}

}  // namespace
}  // namespace muster::ingest
