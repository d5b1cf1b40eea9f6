// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a customer's own CA, run with the openssl program as its administrator would.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "support/process.h"
#include "support/temp_folder.h"

namespace muster::enroll {

inline const std::string kIssuingExtensions =
    "basicConstraints=critical,CA:TRUE,pathlen:1\n"
    "keyUsage=critical,keyCertSign,cRLSign\n"
    "subjectKeyIdentifier=hash\n"
    "authorityKeyIdentifier=keyid\n";

class CustomerCa {
 public:
  explicit CustomerCa(const std::string& basic_constraints = "critical,CA:TRUE") {
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 -subj '/O=Customer/CN=Root'"
        " -keyout root.key -out root.pem -addext basicConstraints=" +
        basic_constraints + " -addext keyUsage=critical,keyCertSign,cRLSign");
  }

  std::string root() const { return read("root.pem"); }

  // The certificate alone.
  std::string sign(const std::string& request, const std::string& extensions = kIssuingExtensions,
                   const std::string& options = "-sha256 -days 365") const {
    write("request.pem", request);
    write("extensions", extensions);
    openssl("x509 -req -in request.pem -CA root.pem -CAkey root.key -CAcreateserial -extfile extensions " + options +
            " -out signed.pem");
    return read("signed.pem");
  }
  std::string chain(const std::string& request, const std::string& extensions = kIssuingExtensions,
                    const std::string& options = "-sha256 -days 365") const {
    return sign(request, extensions, options) + root();
  }

  // Whether OpenSSL takes `leaf` for a TLS client's, by `chain` up to this root.
  bool verifies(const std::string& leaf, const std::string& chain) const {
    write("leaf.pem", leaf);
    write("chain.pem", chain);
    return run("verify -x509_strict -purpose sslclient -CAfile root.pem -untrusted chain.pem leaf.pem");
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& text) const { std::ofstream{path(name)} << text; }
  std::string read(const std::string& name) const {
    std::ifstream file{path(name)};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void openssl(const std::string& arguments) const { EXPECT_TRUE(run(arguments)) << arguments << "\n" << read("log"); }

 private:
  bool run(const std::string& arguments) const {
    test_support::SpawnOptions options;
    options.command = {"sh", "-c", "cd " + folder_.path().string() + " && openssl " + arguments};
    options.output_file = path("log");
    return test_support::run(options).success();
  }

  test_support::TempFolder folder_;
};

}  // namespace muster::enroll
