# Two functions register tests, each labelled with its folder:
#   merit_add_test(test_dict NP 1 2 3 [THREADS 2] [TIMEOUT 60] [LONG 1 2 3] [SOURCES extra.c] [OBJECTS target] [ARGS ...]
#                  [LEAKY] [SKIPS])
# builds the cmocka program test_dict from test_dict.c in the current folder and registers it once per number of ranks, as
# <folder>/test_dict.np<N>. A sanitized build also looks for leaks; LEAKY says that the program raises errors, which end a run, so that what
# was held then goes with the process. LONG: numbers of ranks of the long form, <folder>/test_dict.long.np<N>: the same program with MERIT_LONG=1
# in its environment. The target tests_<folder> builds a folder's programs.
#   merit_add_script(name SCRIPT file.sh [ARGS ...] [PROCESSORS 2] [TIMEOUT 60] [ANY_THREADS] [SKIPS] [SLOW])
# registers <folder>/<name>, a script of the current folder with these arguments. OMP_NUM_THREADS is 1, or with ANY_THREADS not set.
# TIMEOUT in seconds: about four times what the test takes where three tests run at a time on two cores, at least 60; times MERIT_TIME_FACTOR.
# Tests with a long one begin first (COST).
# SKIPS: it ends with 77 where this machine lacks something; MERIT_REQUIRE_ALL makes that a failure.
# LONG, SLOW: they have the label `slow` besides, and are there with -D MERIT_SLOW=ON only.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
set(MERIT_TEST_SUPPORT ${CMAKE_CURRENT_LIST_DIR})

# data kept beside the source tree, unless the environment names another place; tests skip what is not there
set(MERIT_SHARED_DATA "$ENV{MERIT_SHARED_DATA}")
if(MERIT_SHARED_DATA STREQUAL "")
  set(MERIT_SHARED_DATA "${PROJECT_SOURCE_DIR}/../shared/data")
endif()

set(MERIT_TIME_FACTOR 1 CACHE STRING "a busy or slow machine: time limits of tests are so many times as long")
option(MERIT_SLOW "the long forms of tests too, with the label slow" OFF)
option(MERIT_REQUIRE_ALL "a test that cannot run here fails" OFF)

# what a test run needs on one small machine: any number of ranks, no pinning, one BLAS thread, loopback only; and a quick start: no look for
# fast networks, no daemon beside a single process
set(MERIT_TEST_ENVIRONMENT
    "OMPI_ALLOW_RUN_AS_ROOT=1" "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1" "OMPI_MCA_rmaps_base_oversubscribe=1"
    "OMPI_MCA_hwloc_base_binding_policy=none" "OMPI_MCA_mpi_yield_when_idle=1" "OMPI_MCA_btl_tcp_if_include=lo"
    "OMPI_MCA_oob_tcp_if_include=lo" "OMPI_MCA_pml=ob1" "OMPI_MCA_ess_singleton_isolated=1" "OPENBLAS_NUM_THREADS=1"
    "ASAN_OPTIONS=detect_leaks=0" "LSAN_OPTIONS=suppressions=${MERIT_TEST_SUPPORT}/lsan.supp:print_suppressions=0"
    "UBSAN_OPTIONS=print_stacktrace=1" "MERIT_CLI=${PROJECT_BINARY_DIR}/bin/${MERIT_NAME}"
    "MERIT_SHARED_DATA=${MERIT_SHARED_DATA}")
if(MERIT_REQUIRE_ALL)
  list(APPEND MERIT_TEST_ENVIRONMENT "MERIT_REQUIRE_ALL=1")
endif()

# the test may end with 77
function(merit_test_skips test)
  if(NOT MERIT_REQUIRE_ALL)
    set_tests_properties(${test} PROPERTIES SKIP_RETURN_CODE 77)
  endif()
endfunction()

# a time limit, as long as it is in this build
function(merit_test_limit seconds)
  math(EXPR limit "${${seconds}} * ${MERIT_TIME_FACTOR}")
  if(MERIT_SANITIZE)
    math(EXPR limit "5 * ${limit}")
  endif()
  set(${seconds} ${limit} PARENT_SCOPE)
endfunction()

function(merit_add_script name)
  cmake_parse_arguments(T "ANY_THREADS;SKIPS;SLOW" "SCRIPT;PROCESSORS;TIMEOUT" "ARGS" ${ARGN})
  if(T_SLOW AND NOT MERIT_SLOW)
    return()
  endif()
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set(test ${folder}/${name})
  set(labels ${folder})
  set(environment ${MERIT_TEST_ENVIRONMENT})
  if(T_SLOW)
    list(APPEND labels slow)
  endif()
  if(NOT T_ANY_THREADS)
    list(APPEND environment "OMP_NUM_THREADS=1")
  endif()
  if(NOT T_PROCESSORS)
    set(T_PROCESSORS 1)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  merit_test_limit(T_TIMEOUT)
  set(shell bash)
  file(STRINGS ${T_SCRIPT} first LIMIT_COUNT 1)
  if(first STREQUAL "#!/bin/sh")
    set(shell sh)
  endif()
  add_test(NAME ${test} COMMAND ${shell} ${CMAKE_CURRENT_SOURCE_DIR}/${T_SCRIPT} ${T_ARGS})
  set_tests_properties(${test} PROPERTIES LABELS "${labels}" TIMEOUT ${T_TIMEOUT} COST ${T_TIMEOUT} PROCESSORS ${T_PROCESSORS}
                       ENVIRONMENT "${environment}")
  if(T_SKIPS)
    merit_test_skips(${test})
  endif()
endfunction()

# a part of merit_add_test, with its variables: one program on np ranks; `folder` has all labels
macro(merit_test_on test)
  add_test(NAME ${test} COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${np} $<TARGET_FILE:${target}> ${T_ARGS})
  math(EXPR cores "${np} * ${T_THREADS}")
  set_tests_properties(${test} PROPERTIES LABELS "${folder}" TIMEOUT ${T_TIMEOUT} COST ${T_TIMEOUT} PROCESSORS ${cores}
                       ENVIRONMENT "${environment};OMP_NUM_THREADS=${T_THREADS}")
  if(T_SKIPS)
    merit_test_skips(${test})
  endif()
endmacro()

function(merit_add_test name)
  cmake_parse_arguments(T "LEAKY;SKIPS" "THREADS;TIMEOUT" "NP;LONG;SOURCES;OBJECTS;ARGS" ${ARGN})
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  if(NOT T_THREADS)
    set(T_THREADS 1)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  merit_test_limit(T_TIMEOUT)
  set(target ${folder}_${name})
  set(environment ${MERIT_TEST_ENVIRONMENT})
  if(MERIT_SANITIZE)
    list(APPEND T_SOURCES ${MERIT_TEST_SUPPORT}/keep_plugins.c)
    if(NOT T_LEAKY)
      list(TRANSFORM environment REPLACE "detect_leaks=0" "detect_leaks=1")
    endif()
  endif()
  foreach(objects IN LISTS T_OBJECTS)
    list(APPEND T_SOURCES $<TARGET_OBJECTS:${objects}>)
  endforeach()
  add_executable(${target} ${name}.c ${T_SOURCES})
  target_include_directories(${target} PRIVATE ${MERIT_TEST_SUPPORT})
  target_link_libraries(${target} PRIVATE merit merit_flags PkgConfig::CMOCKA)
  if(NOT TARGET tests_${folder})
    add_custom_target(tests_${folder})
  endif()
  add_dependencies(tests_${folder} ${target})
  foreach(np IN LISTS T_NP)
    merit_test_on(${folder}/${name}.np${np})
  endforeach()
  if(NOT MERIT_SLOW)
    return()
  endif()
  math(EXPR T_TIMEOUT "30 * ${T_TIMEOUT}")
  list(APPEND environment "MERIT_LONG=1")
  list(APPEND folder slow)
  foreach(np IN LISTS T_LONG)
    list(GET folder 0 first)
    merit_test_on(${first}/${name}.long.np${np})
  endforeach()
endfunction()
