// Opens and checks the database, and does what each commit needs so that damage is noticed
// (FORMAT.md "Damage").

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <sstream>
#include <utility>

#include "broker/journal/store.h"
#include "common/files/private_dir.h"

namespace bellis {
namespace {

constexpr int64_t kFormat = 3;
constexpr int64_t kFormatWithoutSums = 1;  // read and upgraded
constexpr int64_t kFormatWithoutLanguages = 2;

constexpr char kLanguages[] =
    "CREATE TABLE IF NOT EXISTS languages(job INTEGER, task INTEGER, language TEXT, blocks INTEGER,"
    " us INTEGER, PRIMARY KEY(job, task, language)) WITHOUT ROWID;";

constexpr char kTables[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE marks(one INTEGER PRIMARY KEY, lease INTEGER, worker INTEGER);"
    "CREATE TABLE jobs(number INTEGER PRIMARY KEY, id TEXT, state TEXT, reason TEXT,"
    " counts TEXT, spec BLOB);"
    "CREATE TABLE groups(seq INTEGER PRIMARY KEY, job INTEGER, data BLOB);"
    "CREATE INDEX groups_by_job ON groups(job);"
    "CREATE TABLE chunks(job INTEGER, task INTEGER, kind INTEGER, chunk INTEGER, data BLOB,"
    " PRIMARY KEY(job, task, kind, chunk)) WITHOUT ROWID;"
    "CREATE TABLE tasks(job INTEGER, task INTEGER, skipped INTEGER, failures INTEGER,"
    " PRIMARY KEY(job, task)) WITHOUT ROWID;"
    "CREATE TABLE attempts(job INTEGER, task INTEGER, block INTEGER, failed INTEGER,"
    " PRIMARY KEY(job, task, block)) WITHOUT ROWID;"
    "CREATE TABLE failures(job INTEGER, task INTEGER, number INTEGER, block INTEGER,"
    " id INTEGER, attempt INTEGER, worker INTEGER, error TEXT,"
    " PRIMARY KEY(job, task, number)) WITHOUT ROWID;"
    "CREATE TABLE sessions(worker INTEGER PRIMARY KEY, data TEXT);"
    "PRAGMA user_version=1;"
    "COMMIT;";

Error Damaged(const std::string& path, const std::string& what) {
  return {ErrorCode::kStorage,
          fmt::format("{}: damaged: {}; put back a copy of the state directory, or start over in "
                      "another one",
                      ShownPath(path), what)};
}

int64_t SumOfHead(const std::string& name, uint64_t commits, const std::string& sums) {
  const std::string text = fmt::format("{} {} {}", name, commits, sums);
  const auto* bytes = reinterpret_cast<const Bytef*>(text.data());
  return static_cast<int64_t>(crc32_z(0, bytes, text.size()));
}

/// The first `table=sum` in which the two texts differ.
std::string FirstDifference(const std::string& kept, const std::string& found) {
  std::istringstream kept_words(kept);
  std::istringstream found_words(found);
  for (std::string a, b; kept_words >> a && found_words >> b;) {
    if (a != b) return "table " + a.substr(0, a.find('='));
  }
  return "the tables are different ones";
}

}  // namespace

Result<Store> Store::Open(const std::string& path, Durability durability, const std::string& dir) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  auto acknowledged = Acknowledged::Open((folder / "acknowledged").string());
  if (!acknowledged.ok()) return acknowledged.error();
  std::error_code unknown;
  if (acknowledged->last().commit > 0 && std::filesystem::file_size(path, unknown) == 0) {
    return Damaged(path, "it is empty, though progress was acknowledged");
  }
  if (unknown && acknowledged->last().commit > 0) {
    return Damaged(path, "it is not there, though progress was acknowledged");
  }
  auto db = Database::Open(path);
  if (!db.ok()) return db.error();
  Store store(std::move(*db), std::move(*acknowledged), path, durability, dir);
  for (const std::string& pragma :
       {std::string("PRAGMA locking_mode=EXCLUSIVE"), std::string("PRAGMA journal_mode=WAL"),
        std::string("PRAGMA synchronous=") + (durability == Durability::kFull ? "FULL" : "NORMAL"),
        // Keeps the log small: at most 256 pages of 4 KiB.
        std::string("PRAGMA wal_autocheckpoint=256"),
        std::string("PRAGMA journal_size_limit=1048576"), std::string("PRAGMA foreign_keys=OFF")}) {
    if (const Status set = store.db_.Execute(pragma); !set.ok()) return set.error();
  }
  if (const Status ready = store.MakeOrCheck(); !ready.ok()) return ready.error();
  if (Status counted = store.CountBytes(); !counted.ok()) return counted.error();
  return store;
}

Store::Store(Database db, Acknowledged acknowledged, const std::string& path, Durability durability,
             const std::string& dir)
    : db_(std::move(db)),
      acknowledged_(std::move(acknowledged)),
      durability_(durability),
      path_(path),
      guard_({path, path + "-wal", (std::filesystem::path(path).parent_path() / "acknowledged"),
              (std::filesystem::path(path).parent_path() / "lock"), dir}) {}

/// Makes the tables of a new database, or checks those of an existing one.
Status Store::MakeOrCheck() {
  if (Status whole = CheckPages(); !whole.ok()) return whole;
  auto format = NumberOf("PRAGMA user_version");
  if (!format.ok()) return format.error();
  if (*format < 0 || *format > kFormat) {
    return Error{ErrorCode::kStorage,
                 fmt::format("the state directory has format {}; this broker reads format {}",
                             *format, kFormat)};
  }
  const bool begins = *format <= kFormatWithoutSums;
  if (begins && acknowledged_.last().commit > 0) {
    return Damaged(path_, "it is an older one than progress was acknowledged in");
  }
  if (*format == 0) {
    if (Status made = db_.Execute(kTables); !made.ok()) return made;
  }
  if (*format != kFormat) {
    if (Status made = db_.Execute(kLanguages); !made.ok()) return made;
  }
  if (Status watched = row_sums_.Watch(&db_); !watched.ok()) return watched;
  auto sums = row_sums_.Scan(&db_);
  if (!sums.ok()) return sums.error();
  row_sums_.Set(std::move(*sums));
  Status ready = begins ? Begin() : Check(*format);
  if (ready.ok() && *format == kFormatWithoutLanguages) ready = Upgrade();
  guard_.Remember();
  return ready;
}

Status Store::CheckPages() {
  auto check = db_.Prepare("PRAGMA integrity_check(1)");
  if (!check.ok()) return check.error();
  const auto row = check->Step();
  if (!row.ok()) return row.error();
  std::string found = *row ? check->Bytes(0) : "ok";
  std::replace(found.begin(), found.end(), '\n', ' ');
  return found == "ok" ? OkStatus() : Status(Damaged(path_, found));
}

Result<int64_t> Store::NumberOf(const std::string& sql) {
  auto query = db_.Prepare(sql);
  if (!query.ok()) return query.error();
  const auto row = query->Step();
  if (!row.ok()) return row.error();
  return *row ? query->Int(0) : 0;
}

/// Makes the first commit, which gives the database its name and sums.
Status Store::Begin() {
  std::random_device random;
  name_ = fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
  Status begun = InTransaction([this]() -> Status {
    return db_.Execute(fmt::format(
        "CREATE TABLE head(one INTEGER PRIMARY KEY, database TEXT, commits INTEGER, sums TEXT, "
        "sum INTEGER); PRAGMA user_version={}",
        kFormat));
  });
  if (!begun.ok()) return begun;
  if (Status read = TakeMarks(); !read.ok()) return read;
  return Acknowledge();
}

/// Checks the rows against the sums of the last commit, and the last commit against the file
/// `acknowledged`.
Status Store::Check(int64_t format) {
  {
    auto head = db_.Prepare("SELECT database, commits, sums, sum FROM head WHERE one = 1");
    if (!head.ok()) return head.error();
    const auto row = head->Step();
    if (!row.ok()) return row.error();
    if (!*row) return Damaged(path_, "table head: it has no row");
    name_ = head->Bytes(0);
    commits_ = static_cast<uint64_t>(head->Int(1));
    const std::string sums = head->Bytes(2);
    if (head->Int(3) != SumOfHead(name_, commits_, sums)) {
      return Damaged(path_, "table head: its checksum does not match");
    }
    RowSums::Sums tables = row_sums_.sums();
    if (format == kFormatWithoutLanguages) tables.erase("languages");
    const std::string found = TextOf(tables);
    if (sums != found) {
      // ReadAll's error names the row that cannot be read. If it can read all rows, only the table
      // with the wrong sum is known.
      if (Status rows = ReadAll(); !rows.ok()) return rows;
      return Damaged(path_, "the rows do not match the checksum of their table: " +
                                FirstDifference(sums, found));
    }
  }
  const Acknowledged::Entry& last = acknowledged_.last();
  if (last.database != name_ && (!last.database.empty() || commits_ > 1)) {
    return Damaged(path_, last.database.empty()
                              ? "the file acknowledged beside it was removed or emptied"
                              : "it is not the database in which progress was acknowledged");
  }
  // Without syncs (durability `os`), a crash of the machine may lose the last commits.
  const bool may_lack = !last.synced && last.boot != BootName();
  if (commits_ < last.commit && !may_lack) {
    return Damaged(path_, fmt::format("it ends with commit {}, and {} was acknowledged; the log "
                                      "(-wal) was lost or changed, or this is an older copy",
                                      commits_, last.commit));
  }
  if (Status taken = TakeMarks(); !taken.ok()) return taken;
  return commits_ < last.commit ? GoOnFrom(last) : OkStatus();
}

/// Upgrades an intact directory of the former format to this one. Blocks that were done before
/// count for no language.
Status Store::Upgrade() {
  Status upgraded = InTransaction(
      [this]() -> Status { return db_.Execute(fmt::format("PRAGMA user_version={}", kFormat)); });
  return upgraded.ok() ? Acknowledge() : upgraded;
}

/// For a database that may lack the last commits: makes sure that no commit number and no id is
/// used twice.
Status Store::GoOnFrom(const Acknowledged::Entry& last) {
  commits_ = last.commit;
  const Marks marks{std::max(marks_.lease, last.marks.lease),
                    std::max(marks_.worker, last.marks.worker)};
  return Write({marks});
}

/// Reads the marks from the database.
Status Store::TakeMarks() {
  auto lease = NumberOf("SELECT lease FROM marks");
  auto worker = NumberOf("SELECT worker FROM marks");
  if (!lease.ok()) return lease.error();
  if (!worker.ok()) return worker.error();
  if (*lease < 0 || *worker < 0) return Damaged("table marks", "an id below 1");
  marks_ = {static_cast<uint64_t>(*lease), static_cast<uint64_t>(*worker)};
  return OkStatus();
}

Status Store::InTransaction(const std::function<Status()>& change) {
  if (Status intact = guard_.Check(); !intact.ok()) return intact;
  const RowSums::Sums sums_before = row_sums_.sums();
  const uint64_t bytes_before = group_bytes_;
  groups_.clear();
  languages_.clear();
  Status status = db_.Begin();
  if (status.ok()) status = change();
  if (status.ok()) status = WriteHead(commits_ + 1);
  if (status.ok()) status = db_.Commit();
  if (status.ok()) {
    ++commits_;
    guard_.Remember();
    return status;
  }
  db_.Rollback();
  row_sums_.Set(sums_before);
  group_bytes_ = bytes_before;
  return status;
}

Status Store::WriteHead(uint64_t commits) {
  const std::string sums = TextOf(row_sums_.sums());
  auto query = db_.Prepare("INSERT OR REPLACE INTO head VALUES(1, ?, ?, ?, ?)");
  if (!query.ok()) return query.error();
  return query->BindText(name_)
      .Bind(static_cast<int64_t>(commits))
      .BindText(sums)
      .Bind(SumOfHead(name_, commits, sums))
      .Run();
}

/// After this, the broker notices if the commit is lost or taken back.
Status Store::Acknowledge() {
  if (Status intact = guard_.Check(); !intact.ok()) return intact;
  Status written =
      acknowledged_.Write({name_, commits_, marks_, durability_ == Durability::kFull, BootName()});
  if (!written.ok()) return written;
  guard_.Remember();
  return written;
}

Status Store::CountBytes() {
  for (const auto& [sql, bytes] :
       {std::pair{"SELECT coalesce(sum(length(data)), 0) FROM groups", &group_bytes_},
        std::pair{"SELECT coalesce(sum(length(data)), 0) FROM chunks", &chunk_bytes_}}) {
    auto query = db_.Prepare(sql);
    if (!query.ok()) return query.error();
    const auto row = query->Step();
    if (!row.ok()) return row.error();
    *bytes = static_cast<uint64_t>(query->Int(0));
  }
  return OkStatus();
}

}  // namespace bellis
