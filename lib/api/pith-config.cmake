# pith::pith is the shared library, pith::static the archive.
get_filename_component(_pith_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET pith::pith)
  add_library(pith::pith SHARED IMPORTED)
  set_target_properties(pith::pith PROPERTIES
    IMPORTED_LOCATION "${_pith_prefix}/lib/libpith.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_pith_prefix}/include")
endif()
if(NOT TARGET pith::static)
  add_library(pith::static STATIC IMPORTED)
  set_target_properties(pith::static PROPERTIES
    IMPORTED_LOCATION "${_pith_prefix}/lib/libpith.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_pith_prefix}/include"
    INTERFACE_LINK_LIBRARIES "m;-pthread")
endif()
