# The target `programs`, and what cmake --install does: programs (component programs), and headers,
# libraries and a find_package(hilum) config for the libraries that others can use without LibTorch,
# DCMTK or gRPC (component sdk).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(programs GLOBAL PROPERTY HILUM_PROGRAMS)
if(programs)
  add_custom_target(programs DEPENDS ${programs})
  install(TARGETS ${programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
endif()

set(HILUM_SDK base crypto proto kernels privacy evaluation ledger_anchor)
set(sdk_targets)
foreach(folder IN LISTS HILUM_SDK)
  if(TARGET hilum_${folder})
    list(APPEND sdk_targets hilum_${folder})
  endif()
endforeach()
list(LENGTH HILUM_SDK n_wanted)
list(LENGTH sdk_targets n_found)
if(NOT n_wanted EQUAL n_found)
  return()  # a part of the tree by itself has no package
endif()

list(APPEND sdk_targets hilum_http hilum_sqlite)  # of base/; ledger_anchor/ needs them
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/hilum)
install(TARGETS ${sdk_targets} EXPORT hilumTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(EXPORT hilumTargets NAMESPACE hilum:: DESTINATION ${package_folder} COMPONENT sdk)
foreach(folder IN LISTS HILUM_SDK)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/hilum
          COMPONENT sdk FILES_MATCHING PATTERN "*.h" PATTERN hilum EXCLUDE)
endforeach()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/hilumConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/hilumConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hilumConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hilumConfig.cmake ${PROJECT_BINARY_DIR}/hilumConfigVersion.cmake
        DESTINATION ${package_folder} COMPONENT sdk)
if(HILUM_CUDA)
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/FindNCCL.cmake DESTINATION ${package_folder}
          COMPONENT sdk)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT programs)
