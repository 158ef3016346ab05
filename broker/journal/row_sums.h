#pragma once

// For each table, the sum of the checksums of its rows (over all columns). The sums are kept in the
// database (table `head`) and follow each insert, update and delete. So the broker notices any row
// that something else has changed, removed or added.

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

  /// Follows all changes of `db` from now on. The tables must exist. The triggers for this are not
  /// stored in the file.
  Status Watch(Database* db);
  /// Computes the sums from the rows in the file.
  Result<Sums> Scan(Database* db);

  const Sums& sums() const { return *sums_; }
  void Set(Sums sums) { *sums_ = std::move(sums); }

 private:
  // The SQL function writes here, so the address must stay the same when this object is moved.
  std::unique_ptr<Sums> sums_ = std::make_unique<Sums>();
};

/// The sums as the text that the database stores, with the tables in a fixed order.
std::string TextOf(const RowSums::Sums& sums);

}  // namespace bellis
