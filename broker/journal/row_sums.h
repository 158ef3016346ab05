#pragma once

// A sum over the rows of each table: of a checksum of each row, all columns together. It is kept in
// the database (table `head`) and follows each insert, update and delete, so that a row that was
// changed, lost or added by anything else is noticed, whatever it holds and wherever it went.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "bellis/result.h"
#include "broker/journal/database.h"

namespace bellis {

class RowSums {
 public:
  using Sums = std::map<std::string, uint64_t, std::less<>>;  // modulo 2^64, by table

  /// Counts all changes of `db` from now on, whose tables are there. Nothing of that is stored in
  /// the file.
  Status Watch(Database* db);
  /// The sums of the rows that are in the file now.
  Result<Sums> Scan(Database* db);

  const Sums& sums() const { return *sums_; }
  void Set(Sums sums) { *sums_ = std::move(sums); }

 private:
  // Where the SQL function writes to, wherever this object is moved.
  std::unique_ptr<Sums> sums_ = std::make_unique<Sums>();
};

/// As it stands in the database; the order of the tables is always the same.
std::string TextOf(const RowSums::Sums& sums);

}  // namespace bellis
