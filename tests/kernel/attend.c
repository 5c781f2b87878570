#include "harness.h"
void test_attend(const struct trial *trial) { (void)trial; }
