// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the reasons that db/ returns. HTTP: kUnavailable 503, kOutcomeUnknown 503, kConflict 409.
#pragma once

#include <string_view>

namespace muster::db {

inline constexpr std::string_view kDatabaseUnavailable = "database.unavailable";         // no connection, or it broke
inline constexpr std::string_view kDatabaseBusy = "database.busy";                       // no free connection in time
inline constexpr std::string_view kDatabaseTimeout = "database.timeout";                 // statement or lock timeout
inline constexpr std::string_view kDatabaseContention = "database.contention";           // retries used up
inline constexpr std::string_view kDatabaseOutcomeUnknown = "database.outcome_unknown";  // COMMIT's answer was lost
inline constexpr std::string_view kDatabaseConflict = "database.conflict";           // unique or foreign key violated
inline constexpr std::string_view kDatabaseValueRefused = "database.value_refused";  // a CHECK or row security refused
inline constexpr std::string_view kDatabaseFailed = "database.failed";               // anything else: a fault of ours
inline constexpr std::string_view kDatabaseUrlInvalid = "config.database_url_invalid";
inline constexpr std::string_view kPoolSizeInvalid = "config.database_pool_invalid";

inline constexpr std::string_view kMigrationChanged = "migration.changed";  // an applied file is not what it was
inline constexpr std::string_view kMigrationUnknown = "migration.unknown";  // the database is newer than the folder
inline constexpr std::string_view kMigrationFolderInvalid = "migration.folder_invalid";
inline constexpr std::string_view kMigrationFailed = "migration.failed";

}  // namespace muster::db
