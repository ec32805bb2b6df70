#pragma once
#include <stdbool.h>

/*
  Files of output folders, addressed by folder and name. Other users may be able to write into the folder, so links in it are
  never followed. `link`: the folder itself may be a link, as the one that the user gave. After a failure errno has
  the reason. No function here is collective.
*/
/* Descriptor of the open folder; -1 if it does not exist, or is a link and link is false. */
int FolderOpen(const char path[], bool link);
/* open() of a file in it; -1 also if it is not a plain file or, for writing, has a second name elsewhere (ELOOP). */
int FolderFile(const char path[], bool link, const char name[], int flags);
/* Does the folder hold a file, folder or link of this name? */
bool FolderHas(const char path[], bool link, const char name[]);
/* Remove a file, or a link itself; true if the name does not exist afterwards. */
bool FolderRemove(const char path[], bool link, const char name[]);
/* Is it a name of a result: letters, digits and _, and an ending that Merit writes? */
bool FolderIsOutput(const char name[]);
