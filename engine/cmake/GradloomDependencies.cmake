# The libraries that the gradloom library links, for its own build and, because it is static, for whoever links the
# installed package. Include behind CMAKE_MODULE_PATH to this folder. Sets GRADLOOM_LIBRARIES.
find_package(Threads REQUIRED)
find_package(TBB REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(fmt REQUIRED)
find_package(ZLIB REQUIRED)
find_package(SerialHDF5 REQUIRED)
find_package(OpenBLASPthread REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(GRADLOOM_HWY REQUIRED QUIET IMPORTED_TARGET libhwy)
pkg_check_modules(GRADLOOM_XXHASH REQUIRED QUIET IMPORTED_TARGET libxxhash)
pkg_check_modules(GRADLOOM_DEFLATE REQUIRED QUIET IMPORTED_TARGET libdeflate)
pkg_check_modules(GRADLOOM_ZIP REQUIRED QUIET IMPORTED_TARGET libzip)

set(GRADLOOM_LIBRARIES
  Threads::Threads TBB::tbb OpenBLAS::pthread Boost::program_options fmt::fmt ZLIB::ZLIB SerialHDF5::hdf5
  PkgConfig::GRADLOOM_HWY PkgConfig::GRADLOOM_XXHASH PkgConfig::GRADLOOM_DEFLATE PkgConfig::GRADLOOM_ZIP)
