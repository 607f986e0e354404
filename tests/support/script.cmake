# Tests that are shell scripts around the program; they share support/cli.sh. 77 is a skip.
#
#   madpo_add_script(folder.name script [LABELS label...] [TIMEOUT seconds] [ARGS arg...])
if(NOT TARGET jsonq)
  add_executable(jsonq "${CMAKE_CURRENT_LIST_DIR}/jsonq.c")
  target_link_libraries(jsonq PRIVATE madpo_flags PkgConfig::JANSSON)
endif()

function(madpo_add_script name script)
  cmake_parse_arguments(S "" "TIMEOUT" "ARGS;LABELS" ${ARGN})
  if(NOT S_TIMEOUT)
    set(S_TIMEOUT 300)
  endif()
  if(NOT S_LABELS)
    set(S_LABELS quick)
  endif()
  add_test(NAME ${name} COMMAND bash "${CMAKE_CURRENT_SOURCE_DIR}/${script}" ${S_ARGS})
  # drivers leak, and what they leak is not ours to test
  set(env ${MADPO_TEST_ENV} "MADPO=$<TARGET_FILE:madpo>" "JSONQ=$<TARGET_FILE:jsonq>"
      "MADPO_VERSION=${PROJECT_VERSION}" "CMAKE=${CMAKE_COMMAND}" "CC=${CMAKE_C_COMPILER}"
      "SANITIZE=$<$<BOOL:${MADPO_SANITIZE}>:-fsanitize=${MADPO_SANITIZERS}>"
      "ASAN_OPTIONS=detect_leaks=0")
  set_tests_properties(${name} PROPERTIES TIMEOUT ${S_TIMEOUT} LABELS "${S_LABELS}"
                       SKIP_RETURN_CODE 77 ENVIRONMENT "${env}")
endfunction()
