# The library: all modules but the program itself, static by default, shared with BUILD_SHARED_LIBS=ON; and
# what `cmake --install` lays down. Included from src/CMakeLists.txt after the modules.
get_property(modules GLOBAL PROPERTY MADPO_MODULES)
list(REMOVE_ITEM modules cli tui)
set(objects $<TARGET_OBJECTS:madpo_cl>)
set(library_link)
foreach(module IN LISTS modules)
  list(APPEND objects $<TARGET_OBJECTS:madpo_${module}>)
  get_property(link GLOBAL PROPERTY MADPO_LINK_${module})
  list(APPEND library_link ${link})
endforeach()
list(REMOVE_DUPLICATES library_link)

add_library(madpo_lib ${objects})
target_link_libraries(madpo_lib PRIVATE ${library_link} m)
target_link_libraries(madpo_lib PRIVATE $<$<BOOL:${MADPO_SANITIZE}>:madpo_flags>)
set_target_properties(madpo_lib PROPERTIES OUTPUT_NAME madpo LINKER_LANGUAGE C
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib"
  LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

# ---- pkg-config ----
# A static archive does not carry its own dependencies: `pkg-config --libs` has to name them. Of a shared
# library they are nobody's business but the linker's.
set(requires "jansson libconfig zlib libpcre2-8 libutf8proc libxxhash OpenCL")
get_filename_component(clblast_dir "${CLBLAST_LIBRARY}" DIRECTORY)
set(libs "-lclblast -lpthread -lm")
if(NOT clblast_dir IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
  string(PREPEND libs "-L${clblast_dir} ")
endif()
if(BUILD_SHARED_LIBS)
  set(MADPO_PC_REQUIRES "Requires.private: ${requires}")
  set(MADPO_PC_LIBS "-lmadpo\nLibs.private: ${libs}")
else()
  set(MADPO_PC_REQUIRES "Requires: ${requires}")
  set(MADPO_PC_LIBS "-lmadpo ${libs}")
endif()
# relative to the file itself, so that an installation can be moved
file(RELATIVE_PATH MADPO_PC_UP "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file("${CMAKE_CURRENT_LIST_DIR}/madpo.pc.in" "${PROJECT_BINARY_DIR}/generated/madpo.pc" @ONLY)

# ---- installation ----
install(TARGETS madpo_lib
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/madpo" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")
install(FILES "${PROJECT_BINARY_DIR}/generated/madpo/version.h"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/madpo")
install(FILES "${PROJECT_BINARY_DIR}/generated/madpo.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/configs/" DESTINATION "${CMAKE_INSTALL_DATADIR}/madpo/configs"
  FILES_MATCHING PATTERN "*.cfg")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
