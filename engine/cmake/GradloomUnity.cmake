# gradloom_unity(TARGET SOURCE...): where GRADLOOM_UNITY is on, has the sources of a folder compiled together, 20 at a time.
# Most of a compiler's time goes into headers that they share. Names in unnamed namespaces then have to be unique in
# their folder.
function(gradloom_unity target)
  if(NOT GRADLOOM_UNITY)
    return()
  endif()
  foreach(source IN LISTS ARGN)
    cmake_path(GET source PARENT_PATH folder)
    cmake_path(GET folder FILENAME name)
    math(EXPR count_${name} "${count_${name}} + 1")
    math(EXPR part "(${count_${name}} - 1) / 20")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${name}_${part})
  endforeach()
  # A type of an unnamed namespace in a type that is not is a fault in a header alone, and GCC takes what a unit
  # includes for one.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()
