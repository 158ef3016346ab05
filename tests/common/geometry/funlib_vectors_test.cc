// Compares our geometry with the answers of funlib.geometry (make_funlib_vectors.py). Where ours
// differs on purpose, the test derives the expected value from funlib's answer.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "bellis/roi.h"

namespace bellis {
namespace {

using nlohmann::json;

Coordinate ToCoordinate(const json& values) {
  return Coordinate(values.get<std::vector<int64_t>>());
}

Roi ToRoi(const json& pair) { return Roi(ToCoordinate(pair[0]), ToCoordinate(pair[1])); }

/// In funlib, a shape becomes negative when a region shrinks past nothing; ours stops at 0.
Roi ToRoiStoppedAtZero(const json& pair) {
  const Coordinate shape = ToCoordinate(pair[1]);
  return Roi(ToCoordinate(pair[0]), shape.Max(Coordinate::Filled(shape.rank(), 0)));
}

const json& Vectors() {
  static const json vectors = [] {
    std::ifstream file(BELLIS_SOURCE_DIR "/tests/common/geometry/funlib_vectors.json");
    return json::parse(file);
  }();
  return vectors;
}

class FunlibVectors : public testing::Test {
 protected:
  static const json& cases() { return Vectors().at("cases"); }
};

TEST_F(FunlibVectors, AreThere) { EXPECT_GE(cases().size(), 100u); }

TEST_F(FunlibVectors, CoordinatesAgree) {
  for (const json& c : cases()) {
    SCOPED_TRACE(c.dump());
    const Coordinate by = ToCoordinate(c["by"]);
    const Coordinate lo = ToCoordinate(c["lo"]);
    const Coordinate unit = ToCoordinate(c["unit"]);
    EXPECT_EQ(by + lo, ToCoordinate(c["add"]));
    EXPECT_EQ(by - lo, ToCoordinate(c["subtract"]));
    if (!c["product"].is_null()) {
      EXPECT_EQ(by * unit, ToCoordinate(c["product"]));
    }
    EXPECT_EQ(-by, ToCoordinate(c["negative"]));
    EXPECT_EQ(by.Abs(), ToCoordinate(c["absolute"]));
    EXPECT_EQ(by.FloorDivide(unit), ToCoordinate(c["floor"]));
    EXPECT_EQ(by.CeilDivide(unit), ToCoordinate(c["ceil"]));
    EXPECT_EQ(by.RoundDivide(unit), ToCoordinate(c["round"]));
    EXPECT_EQ(by.Modulo(unit), ToCoordinate(c["modulo"]));
    EXPECT_EQ(by.IsMultipleOf(unit), c["is_multiple"].get<bool>());
    EXPECT_EQ(by.ToString(), c["coordinate_text"].get<std::string>());
  }
}

TEST_F(FunlibVectors, RegionsAgreeOnTheirProperties) {
  for (const json& c : cases()) {
    SCOPED_TRACE(c.dump());
    const Roi a = ToRoi(c["a"]);
    const Roi b = ToRoi(c["b"]);
    EXPECT_EQ(a.end(), ToCoordinate(c["end"]));
    if (!c["center"].is_null()) {  // funlib divides in floating point: not exact when large
      EXPECT_EQ(a.center(), ToCoordinate(c["center"]));
    }
    EXPECT_EQ(a.empty(), c["empty"].get<bool>());
    if (c["size"].is_null()) {
      EXPECT_FALSE(a.size().ok());
    } else {
      EXPECT_EQ(*a.size(), c["size"].get<int64_t>());
    }
    EXPECT_EQ(a.Contains(ToCoordinate(c["point"])), c["contains_point"].get<bool>());
    EXPECT_EQ(a.Contains(b), c["contains"].get<bool>());
    EXPECT_EQ(b.Contains(a), c["contained"].get<bool>());
    EXPECT_EQ(a.Contains(a), c["contains_itself"].get<bool>());
    EXPECT_EQ(a.Intersects(b), c["intersects"].get<bool>());
    if (!a.empty()) {  // funlib prints "[empty ROI]"; ours keeps the numbers
      EXPECT_EQ(a.ToString(), c["text"].get<std::string>());
    }
  }
}

TEST_F(FunlibVectors, RegionsAgreeOnTheResultsOfOperations) {
  for (const json& c : cases()) {
    SCOPED_TRACE(c.dump());
    const Roi a = ToRoi(c["a"]);
    const Roi b = ToRoi(c["b"]);
    const Coordinate unit = ToCoordinate(c["unit"]);
    if (c["intersects"].get<bool>()) {
      EXPECT_EQ(a.Intersect(b), ToRoi(c["intersect"]));
    } else {  // funlib's empty region has no offset
      EXPECT_TRUE(a.Intersect(b).empty());
      EXPECT_EQ(a.Intersect(b).shape(), ToCoordinate(c["intersect"][1]));
    }
    EXPECT_EQ(a.Union(b), ToRoi(c["union"]));
    EXPECT_EQ(*a.Shift(ToCoordinate(c["by"])), ToRoi(c["shift"]));
    EXPECT_EQ(*a.Grow(ToCoordinate(c["lo"]), ToCoordinate(c["hi"])), ToRoiStoppedAtZero(c["grow"]));
    EXPECT_EQ(*a.SnapToGrid(unit, SnapMode::kGrow), ToRoi(c["snap_grow"]));
    EXPECT_EQ(*a.SnapToGrid(unit, SnapMode::kShrink), ToRoiStoppedAtZero(c["snap_shrink"]));
    EXPECT_EQ(*a.SnapToGrid(unit, SnapMode::kClosest), ToRoi(c["snap_closest"]));
    if (!c["multiply"].is_null()) {
      EXPECT_EQ(*a.Multiply(unit), ToRoi(c["multiply"]));
    }
    EXPECT_EQ(a.Divide(unit).ok(), !c["divide"].is_null());
    if (!c["divide"].is_null()) {
      EXPECT_EQ(*a.Divide(unit), ToRoi(c["divide"]));
    }
  }
}

}  // namespace
}  // namespace bellis
