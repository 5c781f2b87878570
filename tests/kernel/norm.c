#include "harness.h"
void test_norm(const struct trial *trial) { (void)trial; }
