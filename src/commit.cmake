# cmake -DSOURCE=.. -DHEADER=.. -P commit.cmake: the commit that is built, for `merit --version`; empty outside a git checkout
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=10 --exclude=* OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit "")
endif()
# written only when it has changed
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#define MERIT_COMMIT \"${commit}\"\n" @ONLY)
