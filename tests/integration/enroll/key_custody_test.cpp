// SPDX-License-Identifier: Apache-2.0
//
// The CAs' private keys under another key-encryption key while certificates are issued, in a token, and keys of devices
// that are known to others.
#include "enroll/key_custody.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "ca/reasons.h"
#include "ca/signer.h"
#include "core/encoding.h"
#include "enroll/authority_context.h"
#include "enroll/heartbeat_signer.h"
#include "integration/enroll/enroll_lab.h"
#include "registry/audit_store.h"
#include "support/eventually.h"
#include "support/soft_token.h"
#include "support/temp_folder.h"
#include "x509/certificate_request.h"

namespace muster::enroll {
namespace {

std::string digits(std::uint8_t octet) { return to_hex(Bytes(32, octet)); }

std::string id_of(std::uint8_t octet) {
  return to_hex(ca::KeyEncryptionKey::from_bytes(Bytes(32, octet)).value().id());
}

class Custody : public EnrollLab {
 protected:
  // The lab's own authority wraps by key 9.
  void write_kek(const std::string& text) {
    std::ofstream{kek_file} << text;
    ASSERT_EQ(chmod(kek_file.c_str(), 0600), 0);
  }

  std::unique_ptr<RegistrationAuthority> authority_of(ca::KeyStoreConfig keys,
                                                      RegistrationAuthorityConfig config = {}) {
    return RegistrationAuthority::create(std::move(config), std::move(keys), *pool, clock, metrics).value();
  }
  std::unique_ptr<RegistrationAuthority> authority_of_file() {
    auto made = authority_of(ca::KeyRing::load(kek_file).value());
    const auto ready = made->initialise_deployment();
    EXPECT_TRUE(ready.ok()) << to_log_text(ready.error());
    return made;
  }

  std::string issue(RegistrationAuthority& by, const LabTenant& tenant, const std::string& device) {
    return reason_of(by.enroll(tenant.admin, request(tenant, device, DeviceKey{})));
  }

  // Of CAs.
  std::int64_t keys_under(std::uint8_t kek) {
    return std::stoll(database.execute("SELECT count(*) FROM muster.issuer_keys WHERE kek_id = '" + id_of(kek) + "'"));
  }
  // Of everything, as an administrator sees it before dropping a key-encryption key.
  std::int64_t uses_of(RegistrationAuthority& by, std::uint8_t kek) {
    const KeyUse use = KeyCustody(by).use(platform).value();
    for (const auto& one : use.key_encryption_keys) {
      if (one.id == id_of(kek)) return one.keys;
    }
    return -1;
  }

  test_support::TempFolder folder;
  std::string kek_file = folder / "kek";
};

TEST_F(Custody, AnotherKeyEncryptionKeyTakesOverWhileCertificatesAreIssued) {
  write_kek(digits(9));
  const auto server = authority_of_file();
  const std::int64_t all = keys_under(9);
  ASSERT_GE(all, 5);  // the platform's and two tenants'
  const auto heartbeat_key = HeartbeatSigner(*server).public_key();
  ASSERT_TRUE(heartbeat_key.ok());
  write_kek(digits(10) + "\n" + digits(9));
  std::atomic<bool> done{false};
  std::atomic<int> issued{0};
  std::jthread devices([&] {
    for (int i = 0; !done; ++i) {
      const std::string outcome = issue(*server, i % 2 == 0 ? acme : beta, "pump-" + std::to_string(i));
      EXPECT_EQ(outcome, "issued");
      ++issued;
    }
  });
  std::int64_t rewrapped = 0;
  KeyId next;
  do {
    const auto progress = KeyCustody(*server).rewrap(platform, next, 1).value();
    EXPECT_EQ(progress.primary, id_of(10));
    EXPECT_TRUE(progress.failures.empty());
    rewrapped += progress.rewrapped;
    next = progress.next;
  } while (!next.is_nil());
  const int before = issued;
  EXPECT_TRUE(test_support::eventually([&] { return issued > before; }, std::chrono::seconds(60)));
  done = true;
  devices.join();
  EXPECT_EQ(rewrapped, all);
  EXPECT_EQ(keys_under(9), 0);
  EXPECT_EQ(keys_under(10), all);
  EXPECT_EQ(uses_of(*server, 9), 0);
  EXPECT_GT(uses_of(*server, 10), all);  // the transparency log's key, too
  write_kek(digits(10));                 // the old one is gone for good
  const auto after = authority_of_file();
  EXPECT_EQ(issue(*after, acme, "valve-1"), "issued");
  EXPECT_EQ(issue(*after, beta, "valve-1"), "issued");
  HeartbeatSigner heartbeats(*after);
  EXPECT_TRUE(heartbeats.sign(to_bytes("a heartbeat")).ok());
  EXPECT_EQ(heartbeats.public_key().value(), *heartbeat_key) << "brokers know this one";
}

TEST_F(Custody, RotationThatEndsInTheMiddleLeavesEveryKeyReadableAndGoesOn) {
  write_kek(digits(10) + "\n" + digits(9));
  {
    const auto server = authority_of_file();
    const auto progress = KeyCustody(*server).rewrap(platform, {}, 2).value();
    EXPECT_EQ(progress.rewrapped, 2);
    EXPECT_GT(progress.remaining, 0);
    EXPECT_FALSE(progress.next.is_nil());
  }
  const auto restarted = authority_of_file();
  EXPECT_EQ(issue(*restarted, acme, "pump-1"), "issued");
  EXPECT_EQ(issue(*restarted, beta, "pump-1"), "issued");
  EXPECT_EQ(KeyCustody(*restarted).rewrap(platform, {}, kMaxRewrapsPerCall).value().remaining, 0);
}

// The transaction of a step is cut off after its rows were written: by a server that is killed, or here by PostgreSQL.
TEST_F(Custody, StepThatDoesNotCommitChangesNothing) {
  write_kek(digits(10) + "\n" + digits(9));
  const auto server = authority_of_file();
  const std::int64_t all = keys_under(9);
  database.execute(
      "CREATE FUNCTION muster.cut_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;"
      " CREATE TRIGGER cut_off AFTER INSERT ON muster.audit_events FOR EACH ROW"
      " WHEN (NEW.action = 'keys.rewrap') EXECUTE FUNCTION muster.cut_off();");
  EXPECT_FALSE(KeyCustody(*server).rewrap(platform, {}, kMaxRewrapsPerCall).ok());
  EXPECT_EQ(keys_under(9), all);
  EXPECT_EQ(keys_under(10), 0);
  database.execute("DROP TRIGGER cut_off ON muster.audit_events");
  EXPECT_EQ(KeyCustody(*server).rewrap(platform, {}, kMaxRewrapsPerCall).value().rewrapped, all);
}

TEST_F(Custody, TwoServersShareTheWork) {
  write_kek(digits(10) + "\n" + digits(9));
  const auto one = authority_of_file();
  const auto other = authority_of_file();
  const std::int64_t all = keys_under(9);
  std::atomic<std::int64_t> rewrapped{0};
  const auto run = [&](RegistrationAuthority& server) {
    const auto progress = KeyCustody(server).rewrap(platform, {}, kMaxRewrapsPerCall);
    EXPECT_TRUE(progress.ok()) << to_log_text(progress.error());
    if (progress.ok()) rewrapped += progress->rewrapped;
  };
  {
    std::jthread first([&] { run(*one); });
    std::jthread second([&] { run(*other); });
  }
  EXPECT_EQ(rewrapped, all);
  EXPECT_EQ(keys_under(9), 0);
}

TEST_F(Custody, DamagedKeyIsNamedAndDoesNotHoldUpTheOthers) {
  write_kek(digits(10) + "\n" + digits(9));
  const auto server = authority_of_file();
  const std::int64_t all = keys_under(9);
  database.execute(
      "UPDATE muster.issuer_keys SET blob = set_byte(blob, 60, get_byte(blob, 60) # 1) WHERE tenant_id = '" +
      acme.id.text() + "'");
  const auto progress = KeyCustody(*server).rewrap(platform, {}, kMaxRewrapsPerCall).value();
  EXPECT_EQ(progress.rewrapped, all - 1);
  EXPECT_EQ(progress.remaining, 1);
  ASSERT_EQ(progress.failures.size(), 1u);
  EXPECT_EQ(progress.failures[0].reason, ca::reasons::kKeyUnwrapFailed);
}

TEST_F(Custody, KeyThatNoServerKnowsIsShown) {
  write_kek(digits(10));
  auto server = authority_of(ca::KeyRing::load(kek_file).value());
  EXPECT_EQ(server->initialise_deployment().error().reason, ca::reasons::kKekUnknown);
  write_kek(digits(10) + "\n" + digits(9));  // no restart: the file is read again
  EXPECT_TRUE(server->initialise_deployment().ok());
  write_kek(digits(10));
  const auto use = KeyCustody(*server).use(platform).value();
  ASSERT_EQ(use.key_encryption_keys.size(), 2u);
  EXPECT_TRUE(use.key_encryption_keys[0].primary);
  EXPECT_EQ(use.key_encryption_keys[1].id, id_of(9));
  EXPECT_FALSE(use.key_encryption_keys[1].loaded);
  EXPECT_GT(use.key_encryption_keys[1].keys, 0);
  write_kek("garbage");
  EXPECT_EQ(KeyCustody(*server).use(platform).error().reason, ca::reasons::kKekInvalid);
  EXPECT_EQ(KeyCustody(*server).rewrap(platform, {}, 10).error().code, ErrorCode::kUnavailable);
}

TEST_F(Custody, IsForThePlatformsAdministratorsAlone) {
  for (const Caller& hostile : {acme.admin, acme.factory, caller(CallerRole::kAuditor, std::nullopt),
                                caller(CallerRole::kEdge, std::nullopt)}) {
    EXPECT_EQ(KeyCustody(*authority).use(hostile).error().reason, "enroll.caller_forbidden");
    EXPECT_EQ(KeyCustody(*authority).rewrap(hostile, {}, 10).error().reason, "enroll.caller_forbidden");
  }
}

TEST_F(Custody, KnownKeyGetsNoCertificateAndMakesNoDevice) {
  const DeviceKey known;
  const auto csr = x509::CertificateRequest::parse_pem(known.csr()).value();
  std::ofstream{folder / "blocked"} << "# found in a firmware image\n" << to_hex(csr.spki_sha256()) << "\n";
  RegistrationAuthorityConfig config;
  config.blocked_keys_file = folder / "blocked";
  const auto server = authority_of(ca::KeyEncryptionKey::from_bytes(Bytes(32, 9)).value(), config);
  ASSERT_TRUE(server->initialise_deployment().ok());
  EXPECT_EQ(reason_of(server->enroll(acme.admin, request(acme, "pump-1", known))), "csr.key_blocked");
  const auto device = db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) {
    return registry::get_device(tx, acme.id, DeviceName::parse("pump-1").value());
  });
  EXPECT_FALSE(device.ok());
  EXPECT_EQ(issue(*server, acme, "pump-1"), "issued");
  config.blocked_keys_file = folder / "nothing";
  const auto missing = RegistrationAuthority::create(config, ca::KeyEncryptionKey::from_bytes(Bytes(32, 9)).value(),
                                                     *pool, clock, metrics);
  EXPECT_EQ(missing.error().reason, "file.missing");
}

class CustodyInToken : public Custody {
 protected:
  ca::KeyStoreConfig in_token() {
    ca::KeyStoreConfig keys{ca::KeyEncryptionKey::from_bytes(Bytes(32, 9)).value()};
    keys.store = ca::KeyStoreKind::kPkcs11;
    keys.token =
        ca::Pkcs11Config{test_support::SoftToken::kModule, test_support::SoftToken::kLabel, token.pin_file(), 4};
    return keys;
  }
  // The library forgets its sessions and looks for tokens again.
  void finalise() {
    void* library = dlopen(test_support::SoftToken::kModule, RTLD_NOW | RTLD_LOCAL);
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
    CK_FUNCTION_LIST* functions = nullptr;
    ASSERT_EQ(get(&functions), CKR_OK);
    ASSERT_EQ(functions->C_Finalize(nullptr), CKR_OK);
  }
  test_support::SoftToken token;
};

// The platform's CAs and older tenants stay in the file store; a new tenant's CA is made in the token.
TEST_F(CustodyInToken, NewCaIsMadeInItAndSignsUntilItIsGone) {
  authority = authority_of(in_token());
  ASSERT_TRUE(authority->initialise_deployment().ok());
  const LabTenant gamma = make_tenant("gamma");
  EXPECT_EQ(issue(*authority, acme, "pump-1"), "issued");
  EXPECT_EQ(issue(*authority, gamma, "pump-1"), "issued");
  EXPECT_EQ(KeyCustody(*authority).use(platform).value().token_keys, 1);
  token.take_away();
  finalise();
  EXPECT_EQ(issue(*authority, gamma, "pump-2"), ca::reasons::kSignerTokenUnavailable);
  EXPECT_EQ(issue(*authority, acme, "pump-2"), "issued");  // another store
  token.bring_back();
  EXPECT_TRUE(test_support::eventually(
      [&, i = 0]() mutable { return issue(*authority, gamma, "valve-" + std::to_string(++i)) == "issued"; },
      std::chrono::seconds(60)));
  // A rotation of the key-encryption key leaves the token's key alone.
  EXPECT_EQ(KeyCustody(*authority).rewrap(platform, {}, 100).value().remaining, 0);
  const auto restarted = authority_of(in_token());
  ASSERT_TRUE(restarted->initialise_deployment().ok());
  EXPECT_EQ(issue(*restarted, gamma, "pump-3"), "issued");
}

// A crash between making a key and storing its issuer.
TEST_F(CustodyInToken, KeyThatNoCaHasIsShownAndRemoved) {
  authority = authority_of(in_token());
  ASSERT_TRUE(authority->initialise_deployment().ok());
  const LabTenant gamma = make_tenant("gamma");
  const std::string in_use = database.execute(
      "SELECT encode(token_reference, 'hex') FROM muster.issuer_keys"
      " WHERE token_reference IS NOT NULL");
  const IssuerId lost = IssuerId::random();
  const auto made = authority->context().signer->generate({gamma.id, lost, {}}, x509::KeyKind::kP256);
  ASSERT_TRUE(made.ok()) << to_log_text(made.error());
  const std::string id = to_hex(made->token_reference);
  const auto remove = [&](RegistrationAuthority& by, const std::string& key) {
    const auto removed = KeyCustody(by).remove_unused(platform, key);
    return removed.ok() ? std::string("removed") : std::string(removed.error().reason);
  };

  EXPECT_EQ(remove(*authority, id), "key.in_use") << "this process may be about to store its issuer";
  const auto restarted = authority_of(in_token());
  ASSERT_TRUE(restarted->initialise_deployment().ok());
  const auto shown = KeyCustody(*restarted).use(platform).value().unused_token_keys;
  ASSERT_EQ(shown.size(), 1U);
  EXPECT_EQ(shown[0].id, id);
  EXPECT_EQ(shown[0].issuer, lost);
  EXPECT_FALSE(KeyCustody(*restarted).remove_unused(gamma.admin, id).ok());
  EXPECT_EQ(remove(*restarted, in_use), "key.in_use");
  EXPECT_EQ(remove(*restarted, "00"), "key.not_found");
  EXPECT_EQ(remove(*restarted, "no hex"), "key.not_found");
  EXPECT_EQ(remove(*restarted, id), "removed");
  EXPECT_TRUE(KeyCustody(*restarted).use(platform).value().unused_token_keys.empty());
  EXPECT_EQ(issue(*restarted, gamma, "pump-1"), "issued");
}

}  // namespace
}  // namespace muster::enroll
