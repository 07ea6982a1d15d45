# The HDF5 C library, serial flavour. CMake's own FindHDF5 wants a C compiler and compiles probes; a user of the
# installed package shall need neither. Defines the target SerialHDF5::hdf5.
find_path(SerialHDF5_INCLUDE_DIR hdf5.h PATH_SUFFIXES hdf5/serial)
find_library(SerialHDF5_LIBRARY NAMES hdf5_serial hdf5 PATH_SUFFIXES hdf5/serial)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SerialHDF5
  REQUIRED_VARS SerialHDF5_LIBRARY SerialHDF5_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libhdf5-dev")
if(SerialHDF5_FOUND AND NOT TARGET SerialHDF5::hdf5)
  add_library(SerialHDF5::hdf5 UNKNOWN IMPORTED)
  set_target_properties(SerialHDF5::hdf5 PROPERTIES
    IMPORTED_LOCATION ${SerialHDF5_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${SerialHDF5_INCLUDE_DIR})
endif()
mark_as_advanced(SerialHDF5_INCLUDE_DIR SerialHDF5_LIBRARY)
