#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "common/task/npy.h"
#include "common/task/pipeline.h"
#include "common/task/spec_reader.h"

namespace bellis {
namespace {

namespace fs = std::filesystem;

class Mask : public ::testing::Test {
 protected:
  Mask() : dir_(fs::temp_directory_path() / ("bellis_mask_" + std::to_string(getpid()))) {
    fs::create_directories(dir_);
  }
  ~Mask() override { fs::remove_all(dir_); }

  /// A .npy file of format 1.0, as numpy.save writes it.
  std::string Npy(const std::string& header, const std::string& elements) {
    const std::string path = dir_ / "mask.npy";
    std::ofstream file(path, std::ios::binary);
    file << "\x93NUMPY" << '\x01' << '\0' << static_cast<char>(header.size() % 256)
         << static_cast<char>(header.size() / 256) << header << elements;
    return path;
  }
  std::string ErrorOf(const std::string& path) {
    MaskSpec mask;
    const Status read = ReadNpyMask(path, &mask);
    EXPECT_EQ(mask, MaskSpec{}) << "unchanged on failure";
    return read.ok() ? "no error" : read.error().message.substr(path.size());
  }

  const fs::path dir_;
};

TEST_F(Mask, ReadsABooleanArray) {
  const std::string path = Npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2, 5), }\n",
                               std::string("\1\0\0\1\1\0\0\1\0\1", 10));
  MaskSpec mask;
  const Status read = ReadNpyMask(path, &mask);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(mask.shape, (Coordinate{2, 5}));
  EXPECT_EQ(mask.bits, std::string("\x99\x40", 2));
  EXPECT_TRUE(mask.At(0));
  EXPECT_FALSE(mask.At(8));
  EXPECT_TRUE(mask.At(9));
}

TEST_F(Mask, SaysWhatIsWrongWithAFile) {
  const std::string good = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_EQ(ErrorOf(Npy(good, "\1")), ": ends after 1 of 2 elements");
  EXPECT_EQ(ErrorOf(Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "12345678")),
            ": has elements of type \"'<f4'\"; bool, uint8 or int8");
  EXPECT_EQ(ErrorOf(Npy("{'descr': '|b1', 'fortran_order': True, 'shape': (1, 2), }", "12")),
            ": is in Fortran order; C order, as numpy.ascontiguousarray() makes it");
  EXPECT_EQ(ErrorOf(Npy("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", "1")),
            ": has no shape of 1 to 8 dimensions");
  EXPECT_EQ(ErrorOf(Npy("{'descr': '|b1', 'fortran_order': False, 'shape': (8192, 8193), }", "")),
            ": has the shape (8192, 8193); 1 voxel at least and 67108864 (2^26) at most");
  EXPECT_EQ(ErrorOf(dir_ / "none.npy"), ": cannot be read");
  std::ofstream(dir_ / "text.npy") << "not numpy at all";
  EXPECT_EQ(ErrorOf(dir_ / "text.npy"), ": is not a .npy file; what numpy.save() writes");
}

TEST_F(Mask, OfAPipelineFileIsReadBesideIt) {
  Npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", std::string("\1\0\1", 3));
  const std::string path = dir_ / "job.toml";
  std::ofstream(path) << "[[tasks]]\ntask_id = \"a\"\ntotal_roi = [[0], [30]]\n"
                         "read_roi = [[0], [5]]\nwrite_roi = [[0], [5]]\nexternal_workers = true\n"
                         "mask = { file = \"mask.npy\", offset = [0], voxel_size = [10] }\n";
  const auto job = ReadPipelineFile(path);
  ASSERT_TRUE(job.ok()) << job.error().message;
  EXPECT_EQ(job->tasks[0].mask->shape, Coordinate{3});
  EXPECT_EQ(job->tasks[0].mask->bits, "\xA0");
  // In a message, the mask travels as bits.
  const auto again = ReadJobSpec(JobSpecToJson(*job));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->tasks[0].mask->bits, "\xA0");
  EXPECT_TRUE(ValidateJob(*again).ok());

  Npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3, 1), }", "123");
  EXPECT_EQ(ReadPipelineFile(path).error().message,
            path + ": tasks[0].mask.shape has 2 dimensions; 1, as total_roi has");
  fs::remove(dir_ / "mask.npy");
  EXPECT_EQ(ReadPipelineFile(path).error().message,
            path + ": tasks[0].mask.file: " + (dir_ / "mask.npy").string() + ": cannot be read");
}

TEST_F(Mask, MaskFileThatWasNotReadIsRefusedByTheBroker) {
  const auto job = ReadJobSpec(nlohmann::json::parse(R"({"tasks": [{"task_id": "a",
      "total_roi": [[0], [1]], "read_roi": [[0], [1]], "write_roi": [[0], [1]],
      "external_workers": true,
      "mask": {"file": "m.npy", "offset": [0], "voxel_size": [1]}}]})"));
  ASSERT_TRUE(job.ok()) << job.error().message;
  EXPECT_EQ(ValidateJob(*job).error().message,
            "tasks[0].mask.bits is missing; a file (\"m.npy\") is read by the program that reads "
            "the pipeline file, not by the broker");
}

TEST_F(Mask, BitsThatDoNotFitTheShapeAreRefused) {
  nlohmann::json tree = nlohmann::json::parse(R"({"tasks": [{"task_id": "a",
      "total_roi": [[0], [1]], "read_roi": [[0], [1]], "write_roi": [[0], [1]],
      "external_workers": true,
      "mask": {"offset": [0], "voxel_size": [1], "shape": [100]}}]})");
  tree["tasks"][0]["mask"]["bits"] = nlohmann::json::binary({1, 2, 3});
  EXPECT_EQ(ReadJobSpec(tree).error().message,
            "tasks[0].mask.bits are not what zlib made of 13 bytes; one bit a voxel, packed and "
            "compressed");
}

}  // namespace
}  // namespace bellis
