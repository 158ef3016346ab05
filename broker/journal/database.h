#pragma once

// A minimal wrapper of SQLite: statements that clean up after themselves, and errors as values.
// Only database.cc includes sqlite3.h. One thread at a time.

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
  /// One run of a prepared statement: bind its values in order, then call Step until it returns
  /// false.
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
    /// Returns true if there is a row, false at the end. Errors: the disk, or damaged files.
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
  /// Prepares the statement once, and reuses it in later calls.
  Result<Query> Prepare(const std::string& sql);
  Status Begin() { return Execute("BEGIN IMMEDIATE"); }
  Status Commit() { return Execute("COMMIT"); }
  void Rollback();
  int64_t LastRow() const;

  /// Defines the SQL function count_row(sign, table, value, ...). It calls `count` with the values
  /// encoded as bytes (different lists of values give different bytes), and returns null.
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

/// Calls `take(query)`, which returns a Status, for each row. Stops at the first failure.
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
