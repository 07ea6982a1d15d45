# `cmake --install` puts the program, the library, its headers and a CMake package that find_package(gradloom) finds.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gradloom)
set(module_dir ${CMAKE_CURRENT_SOURCE_DIR}/engine/cmake)

install(TARGETS gradloom EXPORT gradloom ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(DIRECTORY include/gradloom DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)
install(EXPORT gradloom NAMESPACE gradloom:: FILE gradloomTargets.cmake DESTINATION ${package_dir} COMPONENT library)

configure_package_config_file(${module_dir}/gradloomConfig.cmake.in gradloomConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(gradloomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/gradloomConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/gradloomConfigVersion.cmake
    ${module_dir}/GradloomDependencies.cmake ${module_dir}/FindOpenBLASPthread.cmake
    ${module_dir}/FindSerialHDF5.cmake
  DESTINATION ${package_dir} COMPONENT library)
