#include "harness.h"
void test_pack(const struct trial *trial) { (void)trial; }
