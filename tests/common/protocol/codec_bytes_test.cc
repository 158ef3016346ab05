// The encoded bytes, as a program in another language sees them.

#include <gtest/gtest.h>

#include "tests/common/protocol/sample_messages.h"

namespace bellis {
namespace {

TEST(CodecBytes, Acquire) {
  EXPECT_EQ(Encoded(AcquireMsg{.want = 1}),
            Hex("92 a7 61637175697265"  // ["acquire",
                "81 a4 77616e74 01"));  //  {"want": 1}]
}

TEST(CodecBytes, ReleaseOfOneCompletedBlock) {
  EXPECT_EQ(Encoded(ReleaseMsg{.results = {{.lease = LeaseId(300), .error = ""}}, .want = 1}),
            Hex("92 a7 72656c65617365"                   // ["release",
                "82 a7 726573756c7473 91"                //  {"results": [
                "82 a5 6c65617365 cd 012c"               //   {"lease": 300,
                "a6 737461747573 a9 636f6d706c65746564"  //    "status": "completed"}],
                "a4 77616e74 01"));                      //   "want": 1}]
}

TEST(CodecBytes, WorkOfOneBlock) {
  const WorkMsg work{.blocks = {{.lease = LeaseId(7),
                                 .index = 200,
                                 .id = -1,
                                 .read = Roi({-2, 0}, {14, 10}),
                                 .write = Roi({0, 0}, {10, 10})}}};
  EXPECT_EQ(Encoded(work),
            Hex("92 a4 776f726b"                      // ["work",
                "81 a6 626c6f636b73 91"               //  {"blocks": [
                "86 a5 6c65617365 07"                 //   {"lease": 7,
                "a5 696e646578 cc c8"                 //    "index": 200,
                "a2 6964 ff"                          //    "id": -1,
                "a4 72656164 92 92 fe 00 92 0e 0a"    //    "read": [[-2, 0], [14, 10]],
                "a5 7772697465 92 92 00 00 92 0a 0a"  //    "write": [[0, 0], [10, 10]],
                "a7 617474656d7074 01"));             //    "attempt": 1}]}]
}

TEST(CodecBytes, FieldsWithADocumentedDefaultAreLeftOutOfWhatPeersSend) {
  EXPECT_EQ(Encoded(HelloMsg{}), Hex("92 a5 68656c6c6f"             // ["hello",
                                     "82 a7 76657273696f6e 01"      //  {"version": 1,
                                     "a4 726f6c65 a6 636c69656e74"  //   "role": "client"}]
                                     ));
  EXPECT_EQ(Encoded(ByeMsg{}), Hex("92 a3 627965 80"));
}

// A worker in another language may read fields["reason"] without checking that it is there.
TEST(CodecBytes, TheBrokerWritesEveryFieldOfItsMessages) {
  const auto tree = [](const Message& message) {
    return nlohmann::json::from_msgpack(Encoded(message))[1];
  };
  EXPECT_EQ(tree(LeaveMsg{}), nlohmann::json::parse(R"({"reason": ""})"));
  EXPECT_EQ(tree(ErrorMsg{}),
            nlohmann::json::parse(R"({"code": "bad_message", "message": "", "req": 0})"));
  EXPECT_EQ(
      tree(WelcomeMsg{}),
      nlohmann::json::parse(R"({"version": 1, "broker": "", "job": "", "task": "", "worker": 0})"));
  EXPECT_EQ(tree(ExitedMsg{}), nlohmann::json::parse(R"({"worker": 0, "exit_code": 0, "signal": 0,
                                                         "start_error": "", "stderr_tail": ""})"));
  JobsMsg jobs;
  jobs.jobs.resize(1);
  jobs.jobs[0].tasks.resize(1);
  EXPECT_EQ(tree(jobs), nlohmann::json::parse(R"({"req": 0, "jobs": [
      {"job": "", "name": "", "state": "running", "reason": "", "elapsed_s": 0.0, "tasks": [
        {"task": "", "blocks": 0, "masked": 0, "pending": 0, "ready": 0, "leased": 0,
         "completed": 0, "skipped": 0, "failed": 0, "orphaned": 0, "levels": 0,
         "workers_starting": 0, "workers_live": 0, "worker_restarts": 0, "block_ms_mean": 0.0,
         "languages": [], "failures": [], "failures_total": 0, "error": "", "log_dir": ""}]}]})"));
}

TEST(CodecBytes, AnotherLibraryReadsEveryKind) {
  for (const Message& message : FullMessages()) {
    const nlohmann::json tree = nlohmann::json::from_msgpack(Encoded(message));
    ASSERT_TRUE(tree.is_array());
    ASSERT_EQ(tree.size(), 2u);
    EXPECT_EQ(tree[0], KindName(message));
    EXPECT_TRUE(tree[1].is_object());
    // The other program writes the message in its own order and widths; our codec reads the same.
    DecodeResult result = Decoded(Packed(tree.dump()));
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(result.message(), message);
  }
}

TEST(CodecBytes, TheJobOfASubmitIsAPipelineFilesTree) {
  DecodeResult result = Decoded(Packed(R"(["submit", {"req": 5, "job": {"name": "n", "tasks": [
      {"task_id": "t", "total_roi": [[0], [100]], "read_roi": [[0], [10]],
       "write_roi": {"offset": [0], "shape": [10]}, "timeout": 1.5,
       "workers": [{"command": ["w"], "count": 2}]}]}}])"));
  ASSERT_TRUE(result.ok()) << result.error().message;
  const auto& submit = std::get<SubmitMsg>(result.message());
  EXPECT_EQ(submit.req, 5u);
  ASSERT_EQ(submit.spec.tasks.size(), 1u);
  EXPECT_EQ(submit.spec.tasks[0].write_roi, Roi({0}, {10}));
  EXPECT_EQ(submit.spec.tasks[0].timeout, Duration::Millis(1500));
  EXPECT_EQ(submit.spec.tasks[0].num_workers(), 2u);
}

}  // namespace
}  // namespace bellis
