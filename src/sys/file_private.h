#pragma once
#include <merit/error.h>
#include <sys/stat.h>

/* Open a plain file for reading: its descriptor and *about; -1 and a fault of `kind` if that fails. Does not wait for
   pipes. Not collective. */
int FileOpen(const char path[], MeritErrorKind kind, struct stat *about, MeritFault *fault);
/* Note the state of an input when its reading begins, in place of an earlier note. Without memory nothing is noted.
   Not collective. */
void FileRemember(const char path[], const struct stat *about);
