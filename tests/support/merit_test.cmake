# merit_add_test(test_dict NP 1 2 3 [THREADS 2] [TIMEOUT 60] [SOURCES extra.c] [ARGS ...])
# builds the cmocka program test_dict from test_dict.c in the current folder and registers it once per rank count, as
# <folder>/test_dict.np<N>, labelled with the folder. The path is that of the tree under src.
# A sanitized build also looks for leaks; LEAKY says that the program raises errors, which end a run, so that what was held then goes
# with the process.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
set(MERIT_TEST_SUPPORT ${CMAKE_CURRENT_LIST_DIR})

# data kept beside the source tree, unless the environment names another place; tests skip what is not there
set(MERIT_SHARED_DATA "$ENV{MERIT_SHARED_DATA}")
if(MERIT_SHARED_DATA STREQUAL "")
  set(MERIT_SHARED_DATA "${PROJECT_SOURCE_DIR}/../shared/data")
endif()

# what a test run needs on one small machine: any number of ranks, no pinning, one BLAS thread, loopback only
set(MERIT_TEST_ENVIRONMENT
    "OMPI_ALLOW_RUN_AS_ROOT=1" "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1" "OMPI_MCA_rmaps_base_oversubscribe=1"
    "OMPI_MCA_hwloc_base_binding_policy=none" "OMPI_MCA_mpi_yield_when_idle=1" "OMPI_MCA_btl_tcp_if_include=lo"
    "OMPI_MCA_oob_tcp_if_include=lo" "OPENBLAS_NUM_THREADS=1"
    "ASAN_OPTIONS=detect_leaks=0" "LSAN_OPTIONS=suppressions=${MERIT_TEST_SUPPORT}/lsan.supp:print_suppressions=0"
    "UBSAN_OPTIONS=print_stacktrace=1" "MERIT_CLI=${PROJECT_BINARY_DIR}/bin/${MERIT_NAME}"
    "MERIT_SHARED_DATA=${MERIT_SHARED_DATA}")

function(merit_add_test name)
  cmake_parse_arguments(T "LEAKY" "THREADS;TIMEOUT" "NP;SOURCES;ARGS" ${ARGN})
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  if(NOT T_THREADS)
    set(T_THREADS 1)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 600)
  endif()
  set(target ${folder}_${name})
  set(environment ${MERIT_TEST_ENVIRONMENT})
  if(MERIT_SANITIZE)
    list(APPEND T_SOURCES ${MERIT_TEST_SUPPORT}/keep_plugins.c)
    math(EXPR T_TIMEOUT "5 * ${T_TIMEOUT}")
    if(NOT T_LEAKY)
      list(TRANSFORM environment REPLACE "detect_leaks=0" "detect_leaks=1")
    endif()
  endif()
  add_executable(${target} ${name}.c ${T_SOURCES})
  target_include_directories(${target} PRIVATE ${MERIT_TEST_SUPPORT})
  target_link_libraries(${target} PRIVATE merit merit_flags PkgConfig::CMOCKA)
  foreach(np IN LISTS T_NP)
    set(test ${folder}/${name}.np${np})
    add_test(NAME ${test} COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${np} $<TARGET_FILE:${target}> ${T_ARGS})
    math(EXPR cores "${np} * ${T_THREADS}")
    set_tests_properties(${test} PROPERTIES LABELS ${folder} TIMEOUT ${T_TIMEOUT} PROCESSORS ${cores}
                         ENVIRONMENT "${environment};OMP_NUM_THREADS=${T_THREADS}")
  endforeach()
endfunction()
