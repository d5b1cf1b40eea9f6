# The modules of Muster and who may include whom. scripts/include_lint reads the same table: an include that this table
# does not allow is refused by ctest. Columns: module, folder, modules it may include, libraries it links.
set(MUSTER_MODULES core x509 ca db registry enroll http ingest api edge edge_agent auth_plugin)

set(MUSTER_DIR_core core)
set(MUSTER_DEPS_core)
set(MUSTER_LIBS_core)

set(MUSTER_DIR_x509 x509)
set(MUSTER_DEPS_x509 core)
set(MUSTER_LIBS_x509 OpenSSL::Crypto OpenSSL::SSL)

set(MUSTER_DIR_ca ca)
set(MUSTER_DEPS_ca core x509)
set(MUSTER_LIBS_ca OpenSSL::Crypto muster_pkcs11_headers ${CMAKE_DL_LIBS})

set(MUSTER_DIR_db db)
set(MUSTER_DEPS_db core)
set(MUSTER_LIBS_db PkgConfig::PQ)

set(MUSTER_DIR_registry registry)
set(MUSTER_DEPS_registry core x509 db)
set(MUSTER_LIBS_registry)

set(MUSTER_DIR_enroll enroll)
set(MUSTER_DEPS_enroll core x509 ca db registry)
set(MUSTER_LIBS_enroll)

set(MUSTER_DIR_http http)
set(MUSTER_DEPS_http core x509)
set(MUSTER_LIBS_http PkgConfig::HTTPLIB OpenSSL::SSL OpenSSL::Crypto)

set(MUSTER_DIR_ingest ingest)
set(MUSTER_DEPS_ingest core db)
set(MUSTER_LIBS_ingest PkgConfig::PQ PkgConfig::SIMDJSON)

set(MUSTER_DIR_api api)
# Of auth_plugin only auth-plugin/other_broker.h (scripts/include_lint): brokers that are not ours get its decisions.
set(MUSTER_DEPS_api core x509 db registry enroll http ingest edge auth_plugin)
set(MUSTER_LIBS_api nlohmann_json::nlohmann_json)

# edge/ holds the file formats that the broker plugin shares; edge/agent/ is the program that writes them.
set(MUSTER_DIR_edge edge)
set(MUSTER_DEPS_edge core)
set(MUSTER_LIBS_edge)

set(MUSTER_DIR_edge_agent edge/agent)
set(MUSTER_DEPS_edge_agent core x509 http ingest edge)
set(MUSTER_LIBS_edge_agent nlohmann_json::nlohmann_json)

set(MUSTER_DIR_auth_plugin auth-plugin)
set(MUSTER_DEPS_auth_plugin core x509 edge)
set(MUSTER_LIBS_auth_plugin OpenSSL::SSL OpenSSL::Crypto)
