#include "cbuild.h"

#ifndef TINA_COMMIT
#define TINA_COMMIT
#endif
#define TEXT(...) TEXT_OF(__VA_ARGS__)
#define TEXT_OF(...) #__VA_ARGS__

const char *cb_commit(void) { return TEXT(TINA_COMMIT); }
