#include "broker/launcher/log_format.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

namespace bellis {
namespace {

TEST(LogFormat, WhatAPeerSentStaysOnItsLine) {
  std::ostringstream out;
  spdlog::logger logger("broker", std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
  logger.set_formatter(LogFormat("%n %l: %*"));
  logger.warn("{}", "job x\nbroker info: job y done\x1b[2J");
  EXPECT_EQ(out.str(), "broker warning: job x?broker info: job y done?[2J\n");
}

}  // namespace
}  // namespace bellis
