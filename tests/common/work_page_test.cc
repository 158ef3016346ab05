// The page in which the connections of a worker note the block that they work on.

#include "common/work_page.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace bellis {
namespace {

using Noted = std::vector<WorkingOn>;

TEST(WorkPages, ShowWhatEachConnectionNotedLast) {
  WorkPages pages;
  const auto page = pages.Take();
  const auto other = pages.Take();
  ASSERT_TRUE(page && other);
  auto first = WorkNote::Claim(pages.NameOf(*page), WorkerId(7));
  auto second = WorkNote::Claim(pages.NameOf(*page), WorkerId(8));
  ASSERT_TRUE(first && second);
  first->WorksOn(LeaseId(41));
  EXPECT_EQ(pages.Read(*page), (Noted{{WorkerId(7), LeaseId(41)}, {WorkerId(8), LeaseId()}}));
  second->WorksOnSeveral();
  EXPECT_EQ(pages.Read(*page), (Noted{{WorkerId(7), LeaseId(41)}})) << "it may be any of these";
  second->Renumber(WorkerId(9));
  first.reset();
  EXPECT_EQ(pages.Read(*page), (Noted{{WorkerId(9), LeaseId()}}));
  EXPECT_EQ(pages.Read(*other), Noted());
}

TEST(WorkPages, AreBlankForTheNextWorkerAndClosedToTheLast) {
  WorkPages pages;
  const auto page = pages.Take();
  ASSERT_TRUE(page);
  const std::string name = pages.NameOf(*page);
  auto note = WorkNote::Claim(name, WorkerId(7));
  ASSERT_TRUE(note);
  pages.GiveBack(*page);
  ASSERT_EQ(pages.Take(), page);
  EXPECT_EQ(pages.Read(*page), Noted());
  EXPECT_FALSE(WorkNote::Claim(name, WorkerId(7))) << "the key is another one";
  EXPECT_TRUE(WorkNote::Claim(pages.NameOf(*page), WorkerId(8)));
}

TEST(WorkPages, HaveAPlaceForEachOfManyThreads) {
  WorkPages pages;
  const auto page = pages.Take();
  ASSERT_TRUE(page);
  std::vector<std::vector<WorkNote>> notes(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < notes.size(); ++i) {
    threads.emplace_back([&, i] {
      for (uint64_t k = 1; k <= 20; ++k) {
        auto note = WorkNote::Claim(pages.NameOf(*page), WorkerId(100 * i + k));
        if (note) notes[i].push_back(std::move(*note));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pages.Read(*page).size(), 160u);
}

TEST(WorkPages, AreNotFoundByAnotherName) {
  WorkPages pages;
  const auto page = pages.Take();
  ASSERT_TRUE(page);
  const std::string name = pages.NameOf(*page);
  const std::string path = name.substr(0, name.find(':'));
  for (const std::string& other :
       {std::string(), std::string("x:y"), std::string("/nowhere:0:1"), name + "1", path,
        path + ":0", path + ":40960:1", path + ":-4096:1", path + ":7:1", ":" + name}) {
    EXPECT_FALSE(WorkNote::Claim(other, WorkerId(7))) << other;
  }
  EXPECT_FALSE(WorkNote::Claim(name, WorkerId()));
}

}  // namespace
}  // namespace bellis
