// `bellis bench` as a process. How fast things are is not looked at.

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/tools/process.h"

namespace bellis {
namespace {

std::vector<std::string> Bench(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {Program("bellis"), "bench", "--seconds", "0.1"});
  return arguments;
}

TEST(Bench, MeasuresABrokerOfItsOwnBesideAnEcho) {
  const ProcessEnd end = RunProcess(Bench({"--workers", "1,2", "--json"}), {});
  ASSERT_EQ(end.exit_code, 0) << end.err;
  const auto json = nlohmann::json::parse(end.out);
  std::vector<std::string> names;
  for (const auto& row : json.at("rows")) {
    names.push_back(row.at("what"));
    ASSERT_EQ(row.at("per_second").size(), 2u);
    for (const double rate : row.at("per_second")) EXPECT_GT(rate, 0) << names.back();
    if (row.contains("floor")) {
      EXPECT_TRUE(std::string(row.at("floor")).starts_with("raw ZeroMQ echo"));
      EXPECT_EQ(row.at("ratio").size(), 2u);
    }
  }
  EXPECT_EQ(names.size(), 7u);
}

TEST(Bench, MeasuresARunningBrokerBesideItsPings) {
  TemporaryDir dir;
  const std::string socket = "ipc://" + dir.path() + "/socket";
  const Process broker({Program("bellis-broker"), "--endpoint", socket, "--no-launcher"}, {}, ".");
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(dir.path() + "/socket"); }));
  const ProcessEnd end = RunProcess(Bench({"--endpoint", socket, "--workers", "1"}),
                                    {{"BELLIS_CONNECT_TIMEOUT", "10"}});
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_EQ(end.out.find("echo"), std::string::npos) << end.out;
  EXPECT_NE(end.out.find("blocks, one at a time"), std::string::npos) << end.out;
}

TEST(Bench, ARunningBrokerHasItsOwnTransportAndDisk) {
  const ProcessEnd end = RunProcess(Bench({"--endpoint", "ipc:///tmp/x", "--tcp"}), {});
  EXPECT_EQ(end.exit_code, 2);
  EXPECT_NE(end.err.find("--tcp"), std::string::npos) << end.err;
}

TEST(Bench, NoBrokerExits3) {
  const ProcessEnd end = RunProcess(Bench({"--endpoint", "ipc:///tmp/bellis-none"}), {});
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_NE(end.err.find("no broker answers"), std::string::npos) << end.err;
}

}  // namespace
}  // namespace bellis
