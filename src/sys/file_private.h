#pragma once
#include <merit/error.h>
#include <sys/stat.h>

int  FileOpen(const char path[], MeritErrorKind kind, struct stat *about, MeritFault *fault);
void FileRemember(const char path[], const struct stat *about);
