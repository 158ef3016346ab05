#pragma once

// SQLite, as little of it as is needed: statements that clean up after themselves, and errors as
// values. The only files that include sqlite3.h are this one's. One thread at a time.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "bellis/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bellis {

class Database {
 public:
  /// One run of a prepared statement: bind, Step until it is done. Values are bound in order.
  class Query {
   public:
    Query(Database* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
    Query(Query&& other) noexcept;
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;
    ~Query();

    Query& Bind(int64_t value);
    Query& BindText(std::string_view text);
    Query& BindBlob(std::string_view bytes);
    /// True with a row; false at the end. Errors are those of the disk, or of damaged files.
    Result<bool> Step();
    /// For statements without rows.
    Status Run();

    int64_t Int(int column) const;
    std::string Bytes(int column) const;

   private:
    Database* db_;
    sqlite3_stmt* statement_;
    int bound_ = 0;
  };

  /// Opens or makes the file.
  static Result<Database> Open(const std::string& path);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  Status Execute(const std::string& sql);
  /// Prepared once, kept.
  Result<Query> Prepare(const std::string& sql);
  Status Begin() { return Execute("BEGIN IMMEDIATE"); }
  Status Commit() { return Execute("COMMIT"); }
  void Rollback();
  int64_t LastRow() const;

  /// Makes the SQL function count_row(sign, table, value, ...): it calls `count` with the values as
  /// bytes, no two lists of values alike, and gives null.
  using CountRow = std::function<void(int sign, std::string_view table, std::string_view row)>;
  Status DefineCountRow(CountRow count);

 private:
  friend class Query;
  explicit Database(std::string path) : path_(std::move(path)) {}
  Error MakeError(const std::string& doing) const;
  void CloseAll();

  std::string path_;
  sqlite3* db_ = nullptr;
  std::map<std::string, sqlite3_stmt*> statements_;
};

/// Calls `take(query)`, which returns a Status, for each row; ends with the first failure.
template <typename Take>
Status EachRow(Database::Query& query, const Take& take) {
  while (true) {
    const auto row = query.Step();
    if (!row.ok()) return row.error();
    if (!*row) return OkStatus();
    if (Status taken = take(query); !taken.ok()) return taken;
  }
}

}  // namespace bellis
