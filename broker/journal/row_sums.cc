#include "broker/journal/row_sums.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <utility>

namespace bellis {
namespace {

struct Table {
  const char* name;
  const char* columns;  // $ stands for "new." or "old."
};

constexpr std::array kTables = {
    Table{"marks", "$one, $lease, $worker"},
    Table{"jobs", "$number, $id, $state, $reason, $counts, $spec"},
    Table{"groups", "$seq, $job, $data"},
    Table{"chunks", "$job, $task, $kind, $chunk, $data"},
    Table{"tasks", "$job, $task, $skipped, $failures"},
    Table{"attempts", "$job, $task, $block, $failed"},
    Table{"failures", "$job, $task, $number, $block, $id, $attempt, $worker, $error"},
    Table{"sessions", "$worker, $data"},
    Table{"languages", "$job, $task, $language, $blocks, $us"},
};

std::string Columns(const Table& table, std::string_view of) {
  std::string columns;
  for (const char* at = table.columns; *at != '\0'; ++at) {
    *at == '$' ? columns.append(of) : columns.append(1, *at);
  }
  return columns;
}

/// Spreads a checksum of 32 bits over 64 bits, so that changes do not cancel out in a sum (the last
/// steps of MurmurHash3).
uint64_t Spread(uint64_t value) {
  value = (value ^ (value >> 33)) * 0xff51afd7ed558ccd;
  value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53;
  return value ^ (value >> 33);
}

uint64_t SumOf(std::string_view row) {
  const auto* bytes = reinterpret_cast<const Bytef*>(row.data());
  return Spread(crc32_z(0, bytes, row.size()) | uint64_t{row.size()} << 32);
}

}  // namespace

Status RowSums::Watch(Database* db) {
  for (const Table& table : kTables) sums_->try_emplace(table.name, 0);
  Sums* sums = sums_.get();
  const auto count = [sums](int sign, std::string_view table, std::string_view row) {
    const auto found = sums->find(table);
    if (found != sums->end()) found->second += static_cast<uint64_t>(sign) * SumOf(row);
  };
  if (Status defined = db->DefineCountRow(count); !defined.ok()) return defined;
  // Recursive triggers make a row that is replaced count as deleted.
  std::string sql = "PRAGMA temp_store=MEMORY; PRAGMA recursive_triggers=ON;";
  for (const Table& table : kTables) {
    const std::string add =
        fmt::format("SELECT count_row(1, '{}', {});", table.name, Columns(table, "new."));
    const std::string take =
        fmt::format("SELECT count_row(-1, '{}', {});", table.name, Columns(table, "old."));
    sql += fmt::format("CREATE TEMP TRIGGER {0}_in AFTER INSERT ON main.{0} BEGIN {1} END;",
                       table.name, add);
    sql += fmt::format("CREATE TEMP TRIGGER {0}_out AFTER DELETE ON main.{0} BEGIN {1} END;",
                       table.name, take);
    sql += fmt::format("CREATE TEMP TRIGGER {0}_on AFTER UPDATE ON main.{0} BEGIN {1} {2} END;",
                       table.name, take, add);
  }
  return db->Execute(sql);
}

Result<RowSums::Sums> RowSums::Scan(Database* db) {
  const Sums before = std::exchange(*sums_, {});
  Status scanned = OkStatus();
  for (const Table& table : kTables) {
    (*sums_)[table.name] = 0;
    auto rows = db->Prepare(fmt::format("SELECT count_row(1, '{0}', {1}) FROM main.{0}", table.name,
                                        Columns(table, "")));
    if (!rows.ok()) {
      scanned = rows.error();
      break;
    }
    while (scanned.ok()) {
      const auto row = rows->Step();
      if (!row.ok()) scanned = row.error();
      if (row.ok() && !*row) break;
    }
  }
  Sums found = std::exchange(*sums_, before);
  if (!scanned.ok()) return scanned.error();
  return found;
}

std::string TextOf(const RowSums::Sums& sums) {
  std::string text;
  for (const auto& [table, sum] : sums) text += fmt::format("{}={:016x} ", table, sum);
  return text;
}

}  // namespace bellis
