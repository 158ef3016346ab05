// Runs the examples' libraries from the command line, so that Python tests can compare them with
// zarr-python and scipy. Commas separate the numbers of a box; values are raw little-endian bytes
// in C order.
//
//     examples_probe read ARRAY BEGIN SHAPE            the box's elements to stdout
//     examples_probe write ARRAY BEGIN SHAPE           the box's elements from stdin
//     examples_probe smooth SHAPE BEGIN PART_SHAPE     floats from stdin, smoothed part to stdout

#include <cstring>
#include <exception>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "examples/astronaut/gaussian_smooth.h"
#include "examples/zarr/zarr_array.h"

namespace {

using namespace bellis::examples;

Index ParseIndex(const std::string& text) {
  Index index;
  std::istringstream stream(text);
  for (std::string number; std::getline(stream, number, ',');) index.push_back(std::stoll(number));
  return index;
}

template <typename T>
std::vector<T> ValuesFromInput() {
  const std::string bytes{std::istreambuf_iterator<char>(std::cin), {}};
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

template <typename T>
void ToOutput(const std::vector<T>& values) {
  std::cout.write(reinterpret_cast<const char*>(values.data()),
                  static_cast<std::streamsize>(values.size() * sizeof(T)));
}

template <typename T>
void Access(bool write, const ZarrArray& array, const Box& box) {
  if (write) {
    array.Write<T>(box, ValuesFromInput<T>());
  } else {
    ToOutput(array.Read<T>(box));
  }
}

void Run(const std::vector<std::string>& arguments) {
  const std::string& command = arguments.at(0);
  if (command == "smooth") {
    const Index shape = ParseIndex(arguments.at(1));
    ToOutput(GaussianSmooth(ValuesFromInput<float>(), {Index(shape.size(), 0), shape},
                            {ParseIndex(arguments.at(2)), ParseIndex(arguments.at(3))}, 5.0));
    return;
  }
  const ZarrArray array = ZarrArray::Open(arguments.at(1));
  const Box box{ParseIndex(arguments.at(2)), ParseIndex(arguments.at(3))};
  const bool write = command == "write";
  switch (array.dtype()) {
    case DataType::kUint8: return Access<uint8_t>(write, array, box);
    case DataType::kUint32: return Access<uint32_t>(write, array, box);
    case DataType::kFloat32: return Access<float>(write, array, box);
    case DataType::kFloat64: return Access<double>(write, array, box);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "examples_probe: " << error.what() << "\n";
    return 1;
  }
}
