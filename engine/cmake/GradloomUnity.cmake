# gradloom_unity(TARGET FILES_IN_ONE SOURCE...): has the sources of a folder compiled together, FILES_IN_ONE at a time.
# Most of a compiler's time goes into headers that they share. Names in unnamed namespaces then have to be unique in
# their folder.
function(gradloom_unity target files_in_one)
  foreach(source IN LISTS ARGN)
    cmake_path(GET source PARENT_PATH folder)
    string(MAKE_C_IDENTIFIER "${folder}" key)
    math(EXPR "count_${key}" "${count_${key}} + 1")
    math(EXPR part "(${count_${key}} - 1) / ${files_in_one}")
    cmake_path(GET folder FILENAME name)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${name}_${part})
  endforeach()
  # A type of an unnamed namespace in a type that is not is a fault in a header alone, and GCC takes what a unit
  # includes for one.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()
