#include "harness.h"
void test_act(const struct trial *trial) { (void)trial; }
