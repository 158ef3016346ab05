#include "broker/journal/database.h"

#include <sqlite3.h>

#include <cstring>
#include <utility>

#include "common/files/private_dir.h"

namespace bellis {
namespace {

void AppendNumber(int64_t number, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

/// Appends the value's type, size and bytes.
void AppendValue(sqlite3_value* value, std::string* bytes) {
  const int type = sqlite3_value_type(value);
  bytes->push_back(static_cast<char>(type));
  if (type == SQLITE_INTEGER) return AppendNumber(sqlite3_value_int64(value), bytes);
  if (type == SQLITE_NULL) return;
  // A number with a fraction is counted as its text. No column of this database holds one.
  const auto* data = static_cast<const char*>(sqlite3_value_blob(value));
  const auto size = static_cast<size_t>(sqlite3_value_bytes(value));
  AppendNumber(static_cast<int64_t>(size), bytes);
  if (data != nullptr) bytes->append(data, size);
}

void CallCountRow(sqlite3_context* context, int count, sqlite3_value** values) {
  if (count < 2) return sqlite3_result_error(context, "count_row(sign, table, value, ...)", -1);
  std::string row;
  for (int i = 2; i < count; ++i) AppendValue(values[i], &row);
  const auto* table = static_cast<const char*>(sqlite3_value_blob(values[1]));
  const auto size = static_cast<size_t>(sqlite3_value_bytes(values[1]));
  const auto& call = *static_cast<Database::CountRow*>(sqlite3_user_data(context));
  call(sqlite3_value_int(values[0]), {table == nullptr ? "" : table, size}, row);
  sqlite3_result_null(context);
}

void DeleteCountRow(void* call) { delete static_cast<Database::CountRow*>(call); }

}  // namespace

Database::Query::Query(Query&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)), bound_(other.bound_) {}

Database::Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Database::Query& Database::Query::Bind(int64_t value) {
  sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Database::Query& Database::Query::BindText(std::string_view text) {
  sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Database::Query& Database::Query::BindBlob(std::string_view bytes) {
  sqlite3_bind_blob(statement_, ++bound_, bytes.data(), static_cast<int>(bytes.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Result<bool> Database::Query::Step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: return db_->MakeError(sqlite3_sql(statement_));
  }
}

Status Database::Query::Run() {
  const Result<bool> stepped = Step();
  if (!stepped.ok()) return stepped.error();
  return OkStatus();
}

int64_t Database::Query::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Database::Query::Bytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<size_t>(size));
}

namespace {

/// The name of an SQLite file system (VFS) that leaves paths as they are. SQLite's default would
/// resolve /proc/self/fd/N to the name that the directory had, and open that name again.
const char* FileSystem() {
  static sqlite3_vfs* const registered = [] {
    static sqlite3_vfs vfs = *sqlite3_vfs_find("unix");
    vfs.pNext = nullptr;
    vfs.zName = "bellis";
    vfs.xFullPathname = [](sqlite3_vfs*, const char* path, int bytes_max, char* full) {
      const size_t bytes = std::strlen(path) + 1;
      if (bytes > static_cast<size_t>(bytes_max)) return SQLITE_CANTOPEN;
      std::memcpy(full, path, bytes);
      return SQLITE_OK;
    };
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? &vfs : nullptr;
  }();
  return registered == nullptr ? nullptr : registered->zName;
}

}  // namespace

Result<Database> Database::Open(const std::string& path) {
  Database database(path);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path.c_str(), &database.db_, flags, FileSystem()) != SQLITE_OK) {
    return database.MakeError("open");
  }
  sqlite3_extended_result_codes(database.db_, 1);
  return database;
}

Database::Database(Database&& other) noexcept
    : path_(std::move(other.path_)),
      db_(std::exchange(other.db_, nullptr)),
      statements_(std::exchange(other.statements_, {})) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(db_, other.db_);
  std::swap(statements_, other.statements_);
  return *this;
}

Database::~Database() { CloseAll(); }

void Database::CloseAll() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  statements_.clear();
  sqlite3_close(std::exchange(db_, nullptr));
}

Error Database::MakeError(const std::string& doing) const {
  const char* why = db_ == nullptr ? "out of memory" : sqlite3_errmsg(db_);
  std::string text = ShownPath(path_) + ": " + why + " (" + doing.substr(0, 60) + ")";
  const int code = db_ == nullptr ? SQLITE_NOMEM : sqlite3_errcode(db_);
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
    text += "; the file is damaged: put back a copy of the directory, or start over in another one";
  }
  return {ErrorCode::kStorage, text};
}

Status Database::Execute(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return MakeError(sql);
  }
  return OkStatus();
}

Result<Database::Query> Database::Prepare(const std::string& sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr && sqlite3_prepare_v3(db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT,
                                                 &statement, nullptr) != SQLITE_OK) {
    return MakeError(sql);
  }
  return Query(this, statement);
}

void Database::Rollback() {
  if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Status Database::DefineCountRow(CountRow count) {
  if (sqlite3_create_function_v2(db_, "count_row", -1, SQLITE_UTF8, new CountRow(std::move(count)),
                                 CallCountRow, nullptr, nullptr, DeleteCountRow) != SQLITE_OK) {
    return MakeError("count_row");
  }
  return OkStatus();
}

int64_t Database::LastRow() const { return sqlite3_last_insert_rowid(db_); }

}  // namespace bellis
