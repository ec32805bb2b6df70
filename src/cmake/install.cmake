# What `cmake --install` lays down: library, program, headers, a CMake package, a pkg-config file, job scripts, documents.
include(CMakePackageConfigHelpers)
set(MERIT_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/${MERIT_NAME})

install(TARGETS merit EXPORT meritTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS merit_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/merit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/merit/version.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/merit)

install(EXPORT meritTargets FILE ${MERIT_NAME}Targets.cmake NAMESPACE merit:: DESTINATION ${MERIT_PACKAGE_DIR})
configure_package_config_file(src/cmake/meritConfig.cmake.in ${MERIT_NAME}Config.cmake INSTALL_DESTINATION ${MERIT_PACKAGE_DIR}
                              NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${MERIT_NAME}ConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/${MERIT_NAME}Config.cmake ${PROJECT_BINARY_DIR}/${MERIT_NAME}ConfigVersion.cmake
        DESTINATION ${MERIT_PACKAGE_DIR})

# PETSc's headers include MPI's, which PETSc's own pkg-config file leaves to mpicc
set(MERIT_MPI_CFLAGS "")
foreach(folder IN LISTS MPI_C_INCLUDE_DIRS)
  string(APPEND MERIT_MPI_CFLAGS " -I${folder}")
endforeach()
file(RELATIVE_PATH MERIT_PC_TO_PREFIX /x/${CMAKE_INSTALL_LIBDIR}/pkgconfig /x)
list(JOIN MPI_C_LIBRARIES " " MERIT_MPI_LIBS)
configure_file(src/cmake/merit.pc.in ${MERIT_NAME}.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/${MERIT_NAME}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(PROGRAMS jobs/solve.sbatch jobs/varcomp.sbatch DESTINATION ${CMAKE_INSTALL_DATADIR}/${MERIT_NAME}/jobs)
install(FILES jobs/attempt.sh jobs/quickstart.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/${MERIT_NAME}/jobs)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
