#pragma once
#include <stdbool.h>

/*
  Files of a folder by their names, for what is written, moved or removed in output folders: others may be able to write there. `link`: the
  folder itself may be a link, as the one that the user named. Links in it are never followed; errno says what is wrong.
*/
/* The folder, open; -1: it is not there, or is a link where none may be. */
int FolderOpen(const char path[], bool link);
/* open() of a file in it; -1 also for what is no plain file and, to write, for what has a second name elsewhere (ELOOP). */
int FolderFile(const char path[], bool link, const char name[], int flags);
/* Is there anything of this name? */
bool FolderHas(const char path[], bool link, const char name[]);
/* Remove a file, or a link itself; true if it is gone. */
bool FolderRemove(const char path[], bool link, const char name[]);
/* Is it a name such as results have: letters, digits and _, and an ending that Merit writes? */
bool FolderIsOutput(const char name[]);
