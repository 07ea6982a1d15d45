#pragma once

#include <hdf5.h>

#include <string>
#include <vector>

namespace gradloom::testing {

/// As the engine does at its first call, for tests that call the library before it: its exit handler crashes where a
/// file could not be closed.
inline const bool kNoExitHandler = H5dont_atexit() >= 0;

/// A file that some other program might have written: the C API itself, without our wrapper's choices.
class RawHdf5 {
 public:
  explicit RawHdf5(const std::string& path)
      : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)),
        creation_(H5Pcreate(H5P_DATASET_CREATE)) {}
  ~RawHdf5() {
    H5Pclose(creation_);
    H5Fclose(file_);
  }
  RawHdf5(const RawHdf5&) = delete;
  RawHdf5& operator=(const RawHdf5&) = delete;

  [[nodiscard]] hid_t id() const { return file_; }
  /// Creation properties of the next data sets.
  [[nodiscard]] hid_t creation() const { return creation_; }

  /// A data set of `file_type`; `values`, where given, are written to it as `memory_type`.
  void dataset(const std::string& name, hid_t file_type, const std::vector<hsize_t>& dims, hid_t memory_type = -1,
               const void* values = nullptr) const {
    const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
    const hid_t set = H5Dcreate2(file_, name.c_str(), file_type, space, H5P_DEFAULT, creation_, H5P_DEFAULT);
    if (values != nullptr) H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(set);
    H5Sclose(space);
  }
  void dataset(const std::string& name, hid_t file_type, const std::vector<hsize_t>& dims,
               const std::vector<double>& values) const {
    dataset(name, file_type, dims, H5T_NATIVE_DOUBLE, values.data());
  }

 private:
  hid_t file_;
  hid_t creation_;
};

}  // namespace gradloom::testing
