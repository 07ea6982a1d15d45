# OpenBLAS in its pthread flavour: the one that several threads may call (see engine/linalg/blas.hpp).
# Defines the target OpenBLAS::pthread.
find_path(OpenBLASPthread_INCLUDE_DIR cblas.h
  PATH_SUFFIXES openblas-pthread ${CMAKE_LIBRARY_ARCHITECTURE}/openblas-pthread openblas)
find_library(OpenBLASPthread_LIBRARY openblas PATH_SUFFIXES openblas-pthread)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenBLASPthread
  REQUIRED_VARS OpenBLASPthread_LIBRARY OpenBLASPthread_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libopenblas-pthread-dev")
if(OpenBLASPthread_FOUND AND NOT TARGET OpenBLAS::pthread)
  add_library(OpenBLAS::pthread UNKNOWN IMPORTED)
  set_target_properties(OpenBLAS::pthread PROPERTIES
    IMPORTED_LOCATION ${OpenBLASPthread_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${OpenBLASPthread_INCLUDE_DIR})
endif()
mark_as_advanced(OpenBLASPthread_INCLUDE_DIR OpenBLASPthread_LIBRARY)
