#include "harness.h"
void test_rope(const struct trial *trial) { (void)trial; }
