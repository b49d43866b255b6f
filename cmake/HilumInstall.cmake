# cmake --install: programs, headers and a find_package(hilum) config for the libraries that
# are built here.
include(GNUInstallDirs)
get_property(programs GLOBAL PROPERTY HILUM_PROGRAMS)
if(programs)
  install(TARGETS ${programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
