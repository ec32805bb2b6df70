#include "formula_read.h"
